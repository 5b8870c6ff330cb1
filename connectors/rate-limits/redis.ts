import { randomUUID } from 'node:crypto';
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

// Maximum duration of a request. The slot of a process that died becomes free a window after this.
const MAX_HOLD_MS = 60_000;

// Each rate window has a sorted set of reservations, scored by when they become free, and a hash of the provider's
// feedback. An entry of a cost window includes its units: "running <id> <units>", and "until <id> <units>" for all
// requests that ended in one step. Time is Redis's own, so that replicas' clocks need not agree. Stored data is not
// trusted: a key of another type is deleted, and a number that this product cannot have written is ignored.
const START = `local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function number(text, least, most)
  local value = text and tonumber(text)
  if value and value >= least and value <= most then return value end
end

local function keep(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

-- If the clock was set back, shifts all times of the window back with it: they would otherwise last longer by as much.
local function open(places, state, window)
  keep(places, 'zset')
  keep(state, 'hash')
  local last = tonumber(redis.call('HGET', state, 'lastTakenAt') or '')
  if last and last > now and last < math.huge then
    local back = last - now
    for _, id in ipairs(redis.call('ZRANGE', places, 0, -1)) do redis.call('ZINCRBY', places, -back, id) end
    local paused = tonumber(redis.call('HGET', state, 'pausedUntil') or '')
    if paused then redis.call('HSET', state, 'pausedUntil', paused - back) end
    redis.call('HSET', state, 'lastTakenAt', now)
  end
  redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  redis.call('ZREMRANGEBYSCORE', places, '(' .. (now + window + ${MAX_HOLD_MS}), '+inf')
end

local function unitsOf(place)
  return number(string.match(place, ' (%d+)$'), 0, 1e15) or 1
end

local function hasEnded(place)
  return string.sub(place, 1, 6) == 'until '
end

local function usedUnits(places, calls)
  local used = 0
  for _, place in ipairs(redis.call('ZRANGE', places, 0, -1)) do used = used + math.min(calls, unitsOf(place)) end
  return used
end

local function addEnded(places, window, id, units)
  local step = window / ${COST_STEPS}
  local free = math.ceil((now + window + 1) / step) * step
  for _, place in ipairs(redis.call('ZRANGEBYSCORE', places, free, free)) do
    if hasEnded(place) then
      units = units + unitsOf(place)
      redis.call('ZREM', places, place)
    end
  end
  redis.call('ZADD', places, free, string.format('until %s %.0f', id, math.min(units, 1e15)))
  redis.call('PEXPIRE', places, window + ${MAX_HOLD_MS})
end

local function waitForUnits(places, calls, window, units, last)
  if units == 0 then return 0 end
  local found = redis.call('ZRANGE', places, 0, -1, 'WITHSCORES')
  local left, running, relief = calls, 0, window
  for i = 1, #found, 2 do
    local own = math.min(calls, unitsOf(found[i]))
    left = left - own
    if not hasEnded(found[i]) then running = running + own end
    relief = math.min(relief, found[i + 1] - now)
  end
  if units > left then
    local missing = units - left - running
    if missing <= 0 then return ${MAX_SPACING_MS} end
    for i = 1, #found, 2 do
      if hasEnded(found[i]) then missing = missing - math.min(calls, unitsOf(found[i])) end
      if missing <= 0 then return math.max(1, math.ceil(found[i + 1] - now)) end
    end
    return window
  end
  if left > calls / 2 then return 0 end
  return math.ceil(last + math.min(${MAX_SPACING_MS}, relief / (left / units + 1)) - now)
end
`;

const TAKE = `${START}
local wait, lacking = 0, {}
for i = 1, #KEYS, 2 do
  local at = 2 * i + 1
  local calls, window, fixed, units = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2], tonumber(ARGV[at + 3])
  open(KEYS[i], KEYS[i + 1], window)
  local learned = number(redis.call('HGET', KEYS[i + 1], 'calls'), 1, calls * ${MAX_RAISE})
  if learned then calls = fixed == '1' and math.min(calls, learned) or learned end
  local paused = number(redis.call('HGET', KEYS[i + 1], 'pausedUntil'), now, now + ${MAX_PAUSE_MS})
  if paused and paused > now then
    wait = math.max(wait, paused - now)
    if units then table.insert(lacking, (i - 1) / 2) end
  elseif units then
    local last = number(redis.call('HGET', KEYS[i + 1], 'lastTakenAt'), 0, now) or 0
    local own = waitForUnits(KEYS[i], calls, window, math.min(units, calls), last)
    if own > 0 then table.insert(lacking, (i - 1) / 2) end
    wait = math.max(wait, own)
  else
    local left = calls - redis.call('ZCARD', KEYS[i])
    if left <= calls / 2 then
      local soonest = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
      local relief = math.min(window, (tonumber(soonest[2]) or now + window) - now)
      local last = number(redis.call('HGET', KEYS[i + 1], 'lastTakenAt'), 0, now) or 0
      if left <= 0 then wait = math.max(wait, 1, relief)
      else wait = math.max(wait, math.ceil(last + math.min(${MAX_SPACING_MS}, relief / (left + 1)) - now)) end
    end
  end
end
if wait > 0 then return { wait, unpack(lacking) } end
for i = 1, #KEYS, 2 do
  local window, units = tonumber(ARGV[2 * i + 2]), ARGV[2 * i + 4]
  local place = units == '' and ARGV[1] or 'running ' .. ARGV[1] .. ' ' .. units
  redis.call('ZADD', KEYS[i], now + tonumber(ARGV[2]) + window, place)
  redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[2]) + 2 * window)
  redis.call('HSET', KEYS[i + 1], 'lastTakenAt', now)
  if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], ${MAX_PAUSE_MS}) end
end
return { 0 }`;

const SETTLE = `${START}
for i = 1, #KEYS, 2 do
  local at = 3 * (i + 1) / 2
  local window, expected, units = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  open(KEYS[i], KEYS[i + 1], window)
  if units ~= '' then
    local place = 'running ' .. ARGV[1] .. ' '
    redis.call('ZREM', KEYS[i], place .. expected, place .. units)
    if ARGV[2] == '1' and units ~= '0' then addEnded(KEYS[i], window, ARGV[1], tonumber(units)) end
  elseif ARGV[2] == '1' then
    redis.call('ZADD', KEYS[i], now + window + 1, ARGV[1])
    redis.call('PEXPIRE', KEYS[i], window + ${MAX_HOLD_MS})
  else
    redis.call('ZREM', KEYS[i], ARGV[1])
  end
end
return 0`;

const LEARN = `${START}
local window, calls, remaining, pause = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
open(KEYS[1], KEYS[2], window)
if calls then redis.call('HSET', KEYS[2], 'calls', calls) end
if pause then
  local paused = number(redis.call('HGET', KEYS[2], 'pausedUntil'), now, now + ${MAX_PAUSE_MS}) or 0
  redis.call('HSET', KEYS[2], 'pausedUntil', math.max(paused, now + pause))
end
redis.call('PEXPIRE', KEYS[2], ${MAX_PAUSE_MS})
if ARGV[10] ~= '' then
  local place = 'running ' .. ARGV[8] .. ' '
  local free = redis.call('ZSCORE', KEYS[1], place .. ARGV[9])
  if free then
    redis.call('ZREM', KEYS[1], place .. ARGV[9])
    redis.call('ZADD', KEYS[1], free, place .. ARGV[10])
  end
end
if remaining then
  calls = number(redis.call('HGET', KEYS[2], 'calls'), 1, tonumber(ARGV[6]) * ${MAX_RAISE}) or tonumber(ARGV[6])
  if ARGV[7] == 'cost' then
    local units = calls - usedUnits(KEYS[1], calls) - remaining
    if units > 0 then addEnded(KEYS[1], window, ARGV[1], units) end
    return 0
  end
  for i = 1, math.min(${MAX_EXTERNAL_USAGE}, calls - redis.call('ZCARD', KEYS[1]) - remaining) do
    redis.call('ZADD', KEYS[1], now + window, 'outsider ' .. ARGV[1] .. ' ' .. i)
  end
  redis.call('PEXPIRE', KEYS[1], ${MAX_HOLD_MS} + window)
end
return 0`;

// The part in braces selects the key's slot in a Redis cluster; all rate windows of a request must share one.
const reservationsKey = ({ key }: RateWindow): string => `tributary:quota:${key}`;
const stateKey = (window: RateWindow): string => `${reservationsKey(window)}:state`;
const keysOf = (windows: readonly RateWindow[]): string[] =>
  windows.flatMap((window) => [reservationsKey(window), stateKey(window)]);

/**
 * Parses the wait that Redis requires, and for which cost windows. A time that no limit can require is ignored: this
 * process's own limits then apply.
 */
const toBlocked = (response: unknown, windows: readonly RateWindow[]): Blocked | undefined => {
  const [waitMs, ...lacking]: unknown[] = Array.isArray(response) ? response : [];
  const most = Math.max(MAX_PAUSE_MS, ...windows.map(({ windowMs }) => windowMs));
  if (typeof waitMs !== 'number' || waitMs <= 0 || waitMs > most) return undefined;
  // Every other number has to be the index of a window, each once.
  const isPlausible =
    lacking.length <= windows.length &&
    new Set(lacking).size === lacking.length &&
    lacking.every((index) => windows[index as number] !== undefined);
  if (!isPlausible) return undefined;
  return { waitMs, costWindows: windows.filter((_, index) => lacking.includes(index)) };
};

/** The units of a cost window as text; empty for a window that counts requests. */
const unitsText = (window: RateWindow, cost: number | undefined): string =>
  window.unit === 'cost' ? String(unitsOf(window, cost)) : '';

/**
 * Keeps rate limits shared by all processes that use the same Redis.
 *
 * A reservation is taken in this process first: that makes no difference where Redis agrees, saves a Redis command
 * where this process blocks, and is the fallback while Redis is down. Each process then keeps to the limits on its own.
 */
export const createRedisRateLimiter = (redis: Redis): RateLimiter => {
  const own = createMemoryRateLimiter();
  const self = randomUUID();
  let updates = 0;
  /** The actual cost of requests that are not settled yet, by the window's key. */
  const actualCosts = new WeakMap<Reservation, Map<string, number>>();

  const costOf = (reservation: Reservation, { key }: RateWindow): number | undefined =>
    actualCosts.get(reservation)?.get(key) ?? reservation.cost;

  const shared = async ({ id, windows, cost }: Reservation): Promise<Blocked | undefined> => {
    const limits = windows.flatMap((window) => [
      `${window.calls}`,
      `${window.windowMs}`,
      window.isOperatorSet ? '1' : '0',
      unitsText(window, cost),
    ]);
    const response = await redis.attempt((client) =>
      client.eval(TAKE, { keys: keysOf(windows), arguments: [id, `${MAX_HOLD_MS}`, ...limits] }),
    );
    return toBlocked(response, windows);
  };

  return {
    acquire: (reservation) => {
      const blocked = own.acquire(reservation);
      if (blocked || !redis.isUp()) return blocked;
      return shared(reservation).then((sharedBlocked) => {
        if (sharedBlocked) own.settle(reservation, false);
        return sharedBlocked;
      });
    },
    settle: (reservation, wasSent) => {
      own.settle(reservation, wasSent);
      const { id, windows, cost } = reservation;
      const places = windows.flatMap((window) => [
        `${window.windowMs}`,
        unitsText(window, cost),
        unitsText(window, costOf(reservation, window)),
      ]);
      // Not awaited. If it is lost, the slot becomes free a window after the maximum duration of a request.
      void redis.attempt((client) =>
        client.eval(SETTLE, { keys: keysOf(windows), arguments: [id, wasSent ? '1' : '0', ...places] }),
      );
    },
    update: (window, update, reservation) => {
      const { calls, remaining, pauseMs, cost } = clampUpdate(window, update);
      // `remaining` covers everything that shares the limit; it cannot be compared with this process's share alone.
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
        client.eval(LEARN, {
          keys: [reservationsKey(window), stateKey(window)],
          arguments: [id, ...figures, window.unit ?? 'request', ...costs],
        }),
      );
    },
  };
};
