import { randomUUID } from 'node:crypto';
import type { Redis } from '../runtime/redis.ts';
import { type Bucket, createMemoryLimiter, type Limiter, MAX_SPACING_MS, type Place } from './quota.ts';

// The longest a call can take. A place whose process died is free a window after this.
const MAX_HOLD_MS = 60_000;

// Each bucket has a sorted set of places by when they are free again, and a hash of what the provider has said. Time is
// Redis's own, so that replicas need not agree on it.
const NOW = `local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

const TAKE = `${NOW}
local wait = 0
for i = 1, #KEYS, 2 do
  local at = 3 * (i + 1) / 2
  local calls, window, fixed = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), ARGV[at + 2]
  local learned = tonumber(redis.call('HGET', KEYS[i + 1], 'calls'))
  if learned then calls = fixed == '1' and math.min(calls, learned) or learned end
  local paused = tonumber(redis.call('HGET', KEYS[i + 1], 'pausedUntil')) or 0
  if paused > now then
    wait = math.max(wait, paused - now)
  else
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
    local left = calls - redis.call('ZCARD', KEYS[i])
    if left <= calls / 2 then
      local soonest = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
      local relief = math.min(window, (tonumber(soonest[2]) or now + window) - now)
      local last = tonumber(redis.call('HGET', KEYS[i + 1], 'lastTakenAt')) or 0
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
  if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], 3600000) end
end
return 0`;

const SETTLE = `${NOW}
for i = 1, #KEYS do
  local window = tonumber(ARGV[i + 2])
  if ARGV[2] == '1' then
    redis.call('ZADD', KEYS[i], now + window + 1, ARGV[1])
    redis.call('PEXPIRE', KEYS[i], window + ${MAX_HOLD_MS})
  else
    redis.call('ZREM', KEYS[i], ARGV[1])
  end
end
return 0`;

const LEARN = `${NOW}
local window, calls, remaining, pause = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if calls then redis.call('HSET', KEYS[2], 'calls', calls) end
if pause then
  local paused = tonumber(redis.call('HGET', KEYS[2], 'pausedUntil')) or 0
  redis.call('HSET', KEYS[2], 'pausedUntil', math.max(paused, now + pause))
end
redis.call('PEXPIRE', KEYS[2], math.max(3600000, pause or 0))
if remaining then
  calls = tonumber(redis.call('HGET', KEYS[2], 'calls')) or tonumber(ARGV[6])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  for i = 1, calls - redis.call('ZCARD', KEYS[1]) - remaining do
    redis.call('ZADD', KEYS[1], now + window, 'outsider ' .. ARGV[1] .. ' ' .. i)
  end
  redis.call('PEXPIRE', KEYS[1], ${MAX_HOLD_MS} + window)
end
return 0`;

// What stands in braces decides where a Redis cluster keeps a key; the buckets of one call have to be together.
const countsKey = ({ key }: Bucket): string => `tributary:quota:${key}`;
const stateKey = (bucket: Bucket): string => `${countsKey(bucket)}:state`;

/**
 * Keeps limits together with all who use this Redis.
 *
 * A place is taken in this process first: that is no different where Redis agrees, spares asking it where it cannot, and
 * is what is left while Redis is away. Each process then keeps to the limits by itself.
 */
export const createSharedLimiter = (redis: Redis): Limiter => {
  const own = createMemoryLimiter();
  const self = randomUUID();
  let lessons = 0;

  const shared = async ({ id, buckets }: Place): Promise<number> => {
    const keys = buckets.flatMap((bucket) => [countsKey(bucket), stateKey(bucket)]);
    const limits = buckets.flatMap(({ calls, windowMs, isFixed }) => [`${calls}`, `${windowMs}`, isFixed ? '1' : '0']);
    const answer = await redis.attempt((client) =>
      client.eval(TAKE, { keys, arguments: [id, `${MAX_HOLD_MS}`, ...limits] }),
    );
    return Number(answer ?? 0);
  };

  return {
    take: (place) => {
      const waitMs = own.take(place);
      if (waitMs !== 0 || !redis.isUp()) return waitMs;
      return shared(place).then((sharedWaitMs) => {
        if (sharedWaitMs > 0) own.settle(place, false);
        return sharedWaitMs;
      });
    },
    settle: (place, wasSent) => {
      own.settle(place, wasSent);
      const { id, buckets } = place;
      const windows = buckets.map(({ windowMs }) => `${windowMs}`);
      // Nobody waits for it. What gets lost is free after the longest time that a call can take.
      void redis.attempt((client) =>
        client.eval(SETTLE, { keys: buckets.map(countsKey), arguments: [id, wasSent ? '1' : '0', ...windows] }),
      );
    },
    learn: (bucket, lesson) => {
      // How much is left counts for all who share the limit; this process's own part of it says nothing.
      own.learn(bucket, { ...lesson, ...(redis.isUp() && { remaining: undefined }) });
      lessons += 1;
      const { calls, remaining, pauseMs } = lesson;
      const figures = [bucket.windowMs, calls ?? '', remaining ?? '', pauseMs ?? '', bucket.calls].map(String);
      const id = `${self} ${lessons}`;
      void redis.attempt((client) =>
        client.eval(LEARN, { keys: [countsKey(bucket), stateKey(bucket)], arguments: [id, ...figures] }),
      );
    },
  };
};
