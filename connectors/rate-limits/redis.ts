import { randomUUID } from 'node:crypto';
import type { Redis } from '../../runtime/redis.ts';
import {
  clampUpdate,
  createMemoryRateLimiter,
  MAX_EXTERNAL_USAGE,
  MAX_PAUSE_MS,
  MAX_RAISE,
  MAX_SPACING_MS,
  type RateLimiter,
  type RateWindow,
  type Reservation,
} from './memory.ts';

// The longest a call can take. A place whose process died is free a window after this.
const MAX_HOLD_MS = 60_000;

// Each bucket has a sorted set of places by when they are free again, and a hash of what the provider has said. Time is
// Redis's own, so that replicas need not agree on it. Nothing that is read is taken as it is: what is of another type is
// dropped, and a number that this product cannot have written is none.
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

-- Where the clock was set back, all times of the bucket go back with it: they would otherwise last as much longer.
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
`;

const TAKE = `${START}
local wait = 0
for i = 1, #KEYS, 2 do
  local at = 3 * (i + 1) / 2
  local calls, window, fixed = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  open(KEYS[i], KEYS[i + 1], window)
  local learned = number(redis.call('HGET', KEYS[i + 1], 'calls'), 1, calls * ${MAX_RAISE})
  if learned then calls = fixed == '1' and math.min(calls, learned) or learned end
  local paused = number(redis.call('HGET', KEYS[i + 1], 'pausedUntil'), now, now + ${MAX_PAUSE_MS})
  if paused and paused > now then
    wait = math.max(wait, paused - now)
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
if wait > 0 then return wait end
for i = 1, #KEYS, 2 do
  local window = tonumber(ARGV[3 * (i + 1) / 2 + 1])
  redis.call('ZADD', KEYS[i], now + tonumber(ARGV[2]) + window, ARGV[1])
  redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[2]) + 2 * window)
  redis.call('HSET', KEYS[i + 1], 'lastTakenAt', now)
  if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], ${MAX_PAUSE_MS}) end
end
return 0`;

const SETTLE = `${START}
for i = 1, #KEYS, 2 do
  local window = tonumber(ARGV[2 + (i + 1) / 2])
  open(KEYS[i], KEYS[i + 1], window)
  if ARGV[2] == '1' then
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
if remaining then
  calls = number(redis.call('HGET', KEYS[2], 'calls'), 1, tonumber(ARGV[6]) * ${MAX_RAISE}) or tonumber(ARGV[6])
  for i = 1, math.min(${MAX_EXTERNAL_USAGE}, calls - redis.call('ZCARD', KEYS[1]) - remaining) do
    redis.call('ZADD', KEYS[1], now + window, 'outsider ' .. ARGV[1] .. ' ' .. i)
  end
  redis.call('PEXPIRE', KEYS[1], ${MAX_HOLD_MS} + window)
end
return 0`;

// What stands in braces decides where a Redis cluster keeps a key; the buckets of one call have to be together.
const reservationsKey = ({ key }: RateWindow): string => `tributary:quota:${key}`;
const stateKey = (window: RateWindow): string => `${reservationsKey(window)}:state`;
const keysOf = (windows: readonly RateWindow[]): string[] =>
  windows.flatMap((window) => [reservationsKey(window), stateKey(window)]);

/** How long Redis says to wait, in milliseconds. A time that no limit can ask for is none: this process's own limits hold. */
const toWait = (response: unknown, windows: readonly RateWindow[]): number => {
  const most = Math.max(MAX_PAUSE_MS, ...windows.map(({ windowMs }) => windowMs));
  return typeof response === 'number' && response > 0 && response <= most ? response : 0;
};

/**
 * Keeps limits together with all who use this Redis.
 *
 * A place is taken in this process first: that is no different where Redis agrees, spares asking it where it cannot, and
 * is what is left while Redis is away. Each process then keeps to the limits by itself.
 */
export const createRedisRateLimiter = (redis: Redis): RateLimiter => {
  const own = createMemoryRateLimiter();
  const self = randomUUID();
  let updates = 0;

  const shared = async ({ id, windows }: Reservation): Promise<number> => {
    const limits = windows.flatMap(({ calls, windowMs, isOperatorSet }) => [
      `${calls}`,
      `${windowMs}`,
      isOperatorSet ? '1' : '0',
    ]);
    const response = await redis.attempt((client) =>
      client.eval(TAKE, { keys: keysOf(windows), arguments: [id, `${MAX_HOLD_MS}`, ...limits] }),
    );
    return toWait(response, windows);
  };

  return {
    acquire: (reservation) => {
      const waitMs = own.acquire(reservation);
      if (waitMs !== 0 || !redis.isUp()) return waitMs;
      return shared(reservation).then((sharedWaitMs) => {
        if (sharedWaitMs > 0) own.settle(reservation, false);
        return sharedWaitMs;
      });
    },
    settle: (reservation, wasSent) => {
      own.settle(reservation, wasSent);
      const { id, windows } = reservation;
      const lengths = windows.map(({ windowMs }) => `${windowMs}`);
      // Nobody waits for it. What gets lost is free after the longest time that a call can take.
      void redis.attempt((client) =>
        client.eval(SETTLE, { keys: keysOf(windows), arguments: [id, wasSent ? '1' : '0', ...lengths] }),
      );
    },
    update: (window, update) => {
      const { calls, remaining, pauseMs } = clampUpdate(window, update);
      // How much is left counts for all who share the limit; this process's own part of it says nothing.
      own.update(window, { calls, pauseMs, ...(!redis.isUp() && { remaining }) });
      updates += 1;
      const figures = [window.windowMs, calls ?? '', remaining ?? '', pauseMs ?? '', window.calls].map(String);
      const id = `${self} ${updates}`;
      void redis.attempt((client) =>
        client.eval(LEARN, { keys: [reservationsKey(window), stateKey(window)], arguments: [id, ...figures] }),
      );
    },
  };
};
