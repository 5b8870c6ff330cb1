import { randomUUID } from 'node:crypto';
import { CLIENT_ACTIVE_MS, type Client, USAGE_HALF_LIFE_MS } from '../../runtime/client-usage.ts';
import type { Redis } from '../../runtime/redis.ts';
import {
  type Blocked,
  COST_STEPS,
  clampUpdate,
  createMemoryRateLimiter,
  MAX_EXTERNAL_USAGE,
  MAX_PAUSE_MS,
  MAX_RAISE,
  MAX_SPACING_MS,
  type RateLimiter,
  type RateWindow,
  type Reservation,
  unitsOf,
} from './memory.ts';
import { createRecentRefusals } from './recent-refusals.ts';

// Maximum duration of a request. The slot of a process that died becomes free a window after this.
const MAX_HOLD_MS = 60_000;

/** Maximum number of clients known in Redis for one window. Beyond it, those with the least use are dropped: they are light. */
const MAX_SHARED_CLIENTS = 250;

/** The longest that a client's recent use is known, as a score: of 1,000 million units. */
const MAX_USE_SCORE_MS = 30 * USAGE_HALF_LIFE_MS;

/** The time for which clients are kept after the last request, in milliseconds. */
const CLIENTS_TTL_MS = CLIENT_ACTIVE_MS + MAX_USE_SCORE_MS;

// Each rate window has a sorted set of reservations, scored by when they become free, and a hash of the provider's
// feedback. An entry of a cost window includes its units: "running <id> <units>", and "until <id> <units>" for all
// requests that ended in one step. A third key, a sorted set, has the clients that have been active in about the last minute,
// as "<weight> <id>". Its scores are their recent use as a time: now + half-life * log2(units). Use decays, the score does not
// change, and a client whose use has decayed to nothing is removed with those whose score is old. Time is Redis's own, so that replicas' clocks need not agree. Stored data is not
// trusted: a key of another type is deleted, and a number that this product cannot have written is ignored.
const HELPERS = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function bounded(text, min, max)
  local value = text and tonumber(text)
  if value and value >= min and value <= max then return value end
end

local function deleteUnless(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

-- If the clock was set back, shifts all times of the window back with it: they would otherwise last longer by as much.
local function prepare(reservations, state, clients, window)
  deleteUnless(reservations, 'zset')
  deleteUnless(state, 'hash')
  deleteUnless(clients, 'zset')
  local lastTakenAt = tonumber(redis.call('HGET', state, 'lastTakenAt') or '')
  if lastTakenAt and lastTakenAt > now and lastTakenAt < math.huge then
    local back = lastTakenAt - now
    for _, entry in ipairs(redis.call('ZRANGE', reservations, 0, -1)) do
      redis.call('ZINCRBY', reservations, -back, entry)
    end
    local pausedUntil = tonumber(redis.call('HGET', state, 'pausedUntil') or '')
    if pausedUntil then redis.call('HSET', state, 'pausedUntil', pausedUntil - back) end
    redis.call('HSET', state, 'lastTakenAt', now)
    redis.call('DEL', clients)
  end
  redis.call('ZREMRANGEBYSCORE', clients, '-inf', now - ${CLIENT_ACTIVE_MS})
  redis.call('ZREMRANGEBYSCORE', clients, '(' .. (now + ${MAX_USE_SCORE_MS}), '+inf')
  redis.call('ZREMRANGEBYSCORE', reservations, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', reservations, '(' .. (now + window + ${MAX_HOLD_MS}), '+inf')
end

local function unitsOf(entry)
  return bounded(string.match(entry, ' (%d+)$'), 0, 1e15) or 1
end

local function hasEnded(entry)
  return string.sub(entry, 1, 6) == 'until '
end

local function weightOf(member)
  return bounded(string.match(member, '^(%d+%.%d%d) '), 0.01, 100) or 1
end

local function usedUnits(reservations, calls)
  local used = 0
  for _, entry in ipairs(redis.call('ZRANGE', reservations, 0, -1)) do
    used = used + math.min(calls, unitsOf(entry))
  end
  return used
end

local function addEnded(reservations, window, id, units)
  local step = window / ${COST_STEPS}
  local freeAt = math.ceil((now + window + 1) / step) * step
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', reservations, freeAt, freeAt)) do
    if hasEnded(entry) then
      units = units + unitsOf(entry)
      redis.call('ZREM', reservations, entry)
    end
  end
  redis.call('ZADD', reservations, freeAt, string.format('until %s %.0f', id, math.min(units, 1e15)))
  redis.call('PEXPIRE', reservations, window + ${MAX_HOLD_MS})
end

local function useAt(score)
  return 2 ^ ((score - now) / ${USAGE_HALF_LIFE_MS})
end

-- Returns the units that the client leaves to others, and whether it is not held back to spread requests.
local function standingOf(clients, member, mayUseReserve, calls, units)
  if mayUseReserve then return 0, false end
  local entries = redis.call('ZRANGE', clients, 0, -1, 'WITHSCORES')
  local count, total, weights, own = 0, 0, 0, 0
  for i = 1, #entries, 2 do
    local weight, use = weightOf(entries[i]), useAt(tonumber(entries[i + 1]))
    count, total, weights = count + 1, total + use, weights + weight
    if entries[i] == member then own = use / weight end
  end
  if count < 2 then return 0, false end
  local fair = total / weights
  if member == '' or own > fair * 1.000001 then
    local reserved = calls < 2 and 0 or math.max(1, math.floor(calls / 4))
    return math.max(0, math.min(reserved, calls - units)), false
  end
  return 0, own <= fair / 2
end

-- From now on, heavier clients leave it the reserve.
local function addDemand(clients, member)
  redis.call('ZADD', clients, 'NX', now - ${USAGE_HALF_LIFE_MS}, member)
  redis.call('PEXPIRE', clients, ${CLIENTS_TTL_MS})
end

local function addUse(clients, member, units)
  if units <= 0 then return addDemand(clients, member) end
  local score = tonumber(redis.call('ZSCORE', clients, member) or '')
  local use = units + (score and useAt(score) or 0)
  score = math.min(now + ${USAGE_HALF_LIFE_MS} * math.log(use) / math.log(2), now + ${MAX_USE_SCORE_MS})
  redis.call('ZADD', clients, score, member)
  local excess = redis.call('ZCARD', clients) - ${MAX_SHARED_CLIENTS}
  if excess > 0 then
    for _, least in ipairs(redis.call('ZRANGE', clients, 0, excess - 1)) do redis.call('ZREM', clients, least) end
  end
  redis.call('PEXPIRE', clients, ${CLIENTS_TTL_MS})
end

local function waitForUnits(reservations, calls, window, units, lastTakenAt, reserved, isLight)
  if units == 0 then return 0 end
  local entries = redis.call('ZRANGE', reservations, 0, -1, 'WITHSCORES')
  local left, running, untilFree = calls - reserved, 0, window
  for i = 1, #entries, 2 do
    local held = math.min(calls, unitsOf(entries[i]))
    left = left - held
    if not hasEnded(entries[i]) then running = running + held end
    untilFree = math.min(untilFree, entries[i + 1] - now)
  end
  if units > left then
    local missing = units - left - running
    if missing <= 0 then return ${MAX_SPACING_MS} end
    for i = 1, #entries, 2 do
      if hasEnded(entries[i]) then missing = missing - math.min(calls, unitsOf(entries[i])) end
      if missing <= 0 then return math.max(1, math.ceil(entries[i + 1] - now)) end
    end
    return window
  end
  if isLight or left + reserved > calls / 2 then return 0 end
  return math.ceil(lastTakenAt + math.min(${MAX_SPACING_MS}, untilFree / (left / units + 1)) - now)
end
`;

const ACQUIRE = `${HELPERS}
local member, mayUseReserve = ARGV[3], ARGV[4] == '1'
local wait, costWindows, taken, leavesReserve = 0, {}, {}, 0
for i = 1, #KEYS, 3 do
  local reservations, state, clients, at = KEYS[i], KEYS[i + 1], KEYS[i + 2], 4 * (i + 2) / 3 + 1
  local calls, window, units = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
  prepare(reservations, state, clients, window)
  local reported = bounded(redis.call('HGET', state, 'calls'), 1, calls * ${MAX_RAISE})
  local isOperatorSet = ARGV[at + 2] == '1'
  if reported then calls = isOperatorSet and math.min(calls, reported) or reported end
  local pausedUntil = bounded(redis.call('HGET', state, 'pausedUntil'), now, now + ${MAX_PAUSE_MS})
  local lastTakenAt = bounded(redis.call('HGET', state, 'lastTakenAt'), 0, now) or 0
  local needed = math.min(units or 1, calls)
  local reserved, isLight = standingOf(clients, member, mayUseReserve, calls, needed)
  table.insert(taken, needed)
  if reserved > 0 then leavesReserve = 1 end
  if pausedUntil and pausedUntil > now then
    wait = math.max(wait, pausedUntil - now)
    if units then table.insert(costWindows, (i - 1) / 3) end
  elseif units then
    local waitHere = waitForUnits(reservations, calls, window, needed, lastTakenAt, reserved, isLight)
    if waitHere > 0 then table.insert(costWindows, (i - 1) / 3) end
    wait = math.max(wait, waitHere)
  else
    local left = calls - reserved - redis.call('ZCARD', reservations)
    if left <= 0 or (not isLight and left + reserved <= calls / 2) then
      local first = redis.call('ZRANGE', reservations, 0, 0, 'WITHSCORES')
      local untilFree = math.min(window, (tonumber(first[2]) or now + window) - now)
      if left <= 0 then wait = math.max(wait, 1, untilFree)
      else wait = math.max(wait, math.ceil(lastTakenAt + math.min(${MAX_SPACING_MS}, untilFree / (left + 1)) - now)) end
    end
  end
end
if wait > 0 then
  if member ~= '' then
    for i = 3, #KEYS, 3 do addDemand(KEYS[i], member) end
  end
  return { wait, leavesReserve, unpack(costWindows) }
end
for i = 1, #KEYS, 3 do
  local at = 4 * (i + 2) / 3 + 1
  local window, units = tonumber(ARGV[at + 1]), ARGV[at + 3]
  if member ~= '' then addUse(KEYS[i + 2], member, taken[(i + 2) / 3]) end
  local entry = units == '' and ARGV[1] or 'running ' .. ARGV[1] .. ' ' .. units
  redis.call('ZADD', KEYS[i], now + tonumber(ARGV[2]) + window, entry)
  redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[2]) + 2 * window)
  redis.call('HSET', KEYS[i + 1], 'lastTakenAt', now)
  if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], ${MAX_PAUSE_MS}) end
end
return { 0 }`;

const SETTLE = `${HELPERS}
local id, wasSent = ARGV[1], ARGV[2] == '1'
for i = 1, #KEYS, 3 do
  local reservations, at = KEYS[i], i + 2
  local window, expected, units = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  prepare(reservations, KEYS[i + 1], KEYS[i + 2], window)
  if units ~= '' then
    local entry = 'running ' .. id .. ' '
    redis.call('ZREM', reservations, entry .. expected, entry .. units)
    if wasSent and units ~= '0' then addEnded(reservations, window, id, tonumber(units)) end
  elseif wasSent then
    redis.call('ZADD', reservations, now + window + 1, id)
    redis.call('PEXPIRE', reservations, window + ${MAX_HOLD_MS})
  else
    redis.call('ZREM', reservations, id)
  end
end
return 0`;

const UPDATE = `${HELPERS}
local reservations, state, clients = KEYS[1], KEYS[2], KEYS[3]
local window, calls, remaining, pause = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
prepare(reservations, state, clients, window)
if calls then redis.call('HSET', state, 'calls', calls) end
if pause then
  local pausedUntil = bounded(redis.call('HGET', state, 'pausedUntil'), now, now + ${MAX_PAUSE_MS}) or 0
  redis.call('HSET', state, 'pausedUntil', math.max(pausedUntil, now + pause))
end
redis.call('PEXPIRE', state, ${MAX_PAUSE_MS})
if ARGV[10] ~= '' then
  local entry = 'running ' .. ARGV[8] .. ' '
  local freeAt = redis.call('ZSCORE', reservations, entry .. ARGV[9])
  if freeAt then
    redis.call('ZREM', reservations, entry .. ARGV[9])
    redis.call('ZADD', reservations, freeAt, entry .. ARGV[10])
  end
end
if remaining then
  calls = bounded(redis.call('HGET', state, 'calls'), 1, tonumber(ARGV[6]) * ${MAX_RAISE}) or tonumber(ARGV[6])
  if ARGV[7] == 'cost' then
    local units = calls - usedUnits(reservations, calls) - remaining
    if units > 0 then addEnded(reservations, window, ARGV[1], units) end
    return 0
  end
  for i = 1, math.min(${MAX_EXTERNAL_USAGE}, calls - redis.call('ZCARD', reservations) - remaining) do
    redis.call('ZADD', reservations, now + window, 'external ' .. ARGV[1] .. ' ' .. i)
  end
  redis.call('PEXPIRE', reservations, ${MAX_HOLD_MS} + window)
end
return 0`;

// The part in braces selects the key's slot in a Redis cluster; all rate windows of a request must share one.
const reservationsKey = ({ key }: RateWindow): string => `tributary:quota:${key}`;
const stateKey = (window: RateWindow): string => `${reservationsKey(window)}:state`;
const keysOf = (windows: readonly RateWindow[]): string[] =>
  windows.flatMap((window) => [reservationsKey(window), stateKey(window), `${reservationsKey(window)}:clients`]);

/** The client's entry in the set of clients; empty for a request that counts for none. */
const memberOf = (client: Client | undefined): string => (client ? `${client.weight.toFixed(2)} ${client.id}` : '');

/**
 * Parses the wait that Redis requires, and for which cost windows. A time that no limit can require is ignored: this
 * process's own limits then apply.
 */
const toBlocked = (response: unknown, windows: readonly RateWindow[]): Blocked | undefined => {
  const [waitMs, leavesReserve, ...indexes]: unknown[] = Array.isArray(response) ? response : [];
  const maxMs = Math.max(MAX_PAUSE_MS, ...windows.map(({ windowMs }) => windowMs));
  if (typeof waitMs !== 'number' || waitMs <= 0 || waitMs > maxMs) return undefined;
  // Every other number has to be the index of a window, each once.
  const isPlausible =
    indexes.length <= windows.length &&
    new Set(indexes).size === indexes.length &&
    indexes.every((index) => windows[index as number] !== undefined) &&
    (leavesReserve === 0 || leavesReserve === 1);
  if (!isPlausible) return undefined;
  const costWindows = windows.filter((_, index) => indexes.includes(index));
  return { waitMs, costWindows, leavesReserve: leavesReserve === 1 };
};

/** The units of a cost window as text; empty for a window that counts requests. */
const unitsText = (window: RateWindow, cost: number | undefined): string =>
  window.unit === 'cost' ? String(unitsOf(window, cost)) : '';

/**
 * Keeps rate limits shared by all processes that use the same Redis.
 *
 * A reservation is taken in this process first: that makes no difference where Redis agrees, saves a Redis command
 * where this process blocks, and is the fallback while Redis is down. Each process then keeps to the limits on its own.
 * A reservation that Redis refuses is not tried again until it may succeed, or for 250 ms.
 */
export const createRedisRateLimiter = (redis: Redis): RateLimiter => {
  const own = createMemoryRateLimiter();
  const refusals = createRecentRefusals();
  const self = randomUUID();
  let updates = 0;
  /** The actual cost of requests that are not settled yet, by the window's key. */
  const actualCosts = new WeakMap<Reservation, Map<string, number>>();

  const costOf = (reservation: Reservation, { key }: RateWindow): number | undefined =>
    actualCosts.get(reservation)?.get(key) ?? reservation.cost;

  const acquireShared = async (reservation: Reservation): Promise<Blocked | undefined> => {
    const { id, windows, cost, client, mayUseReserve } = reservation;
    const sender = [memberOf(client), mayUseReserve ? '1' : '0'];
    const limits = windows.flatMap((window) => [
      `${window.calls}`,
      `${window.windowMs}`,
      window.isOperatorSet ? '1' : '0',
      unitsText(window, cost),
    ]);
    const response = await redis.attempt((client) =>
      client.eval(ACQUIRE, { keys: keysOf(windows), arguments: [id, `${MAX_HOLD_MS}`, ...sender, ...limits] }),
    );
    return toBlocked(response, windows);
  };

  return {
    acquire: (reservation) => {
      const refused = redis.isUp() ? refusals.find(reservation) : undefined;
      const blocked = refused ?? own.acquire(reservation);
      if (blocked || reservation.windows.length === 0 || !redis.isUp()) return blocked;
      return acquireShared(reservation).then((sharedBlocked) => {
        if (sharedBlocked) {
          own.settle(reservation, false);
          refusals.add(reservation, sharedBlocked);
        }
        return sharedBlocked;
      });
    },
    forecast: own.forecast,
    useOf: own.useOf,
    settle: (reservation, wasSent) => {
      own.settle(reservation, wasSent);
      if (!wasSent) refusals.clear();
      const { id, windows, cost } = reservation;
      if (windows.length === 0) return;
      const figures = windows.flatMap((window) => [
        `${window.windowMs}`,
        unitsText(window, cost),
        unitsText(window, costOf(reservation, window)),
      ]);
      // Not awaited. If it is lost, the slot becomes free a window after the maximum duration of a request.
      void redis.attempt((client) =>
        client.eval(SETTLE, { keys: keysOf(windows), arguments: [id, wasSent ? '1' : '0', ...figures] }),
      );
    },
    update: (window, update, reservation) => {
      const { calls, remaining, pauseMs, cost } = clampUpdate(window, update);
      // `remaining` covers everything that shares the limit; it cannot be compared with this process's share alone.
      refusals.clear();
      own.update(window, { calls, pauseMs, cost, ...(!redis.isUp() && { remaining }) }, reservation);
      updates += 1;
      const figures = [window.windowMs, calls ?? '', remaining ?? '', pauseMs ?? '', window.calls].map(String);
      const costs = ['', '', ''];
      if (window.unit === 'cost' && reservation && cost !== undefined) {
        costs.splice(0, 3, reservation.id, unitsText(window, costOf(reservation, window)), unitsText(window, cost));
        const known = actualCosts.get(reservation) ?? new Map<string, number>();
        actualCosts.set(reservation, known.set(window.key, cost));
      }
      const id = `${self} ${updates}`;
      void redis.attempt((client) =>
        client.eval(UPDATE, {
          keys: keysOf([window]),
          arguments: [id, ...figures, window.unit ?? 'request', ...costs],
        }),
      );
    },
  };
};
