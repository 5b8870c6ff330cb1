import { createHash, randomUUID } from 'node:crypto';
import type { Redis } from '../../../runtime/redis.ts';
import { type Counter, type Counters, type Counts, MAX_COUNT, type Taken } from './counter.ts';
import { createMemoryCounters } from './memory.ts';

// Each counter is a hash with the number of its current period, that period's count and the previous one's. Units that are
// reserved for a running operation are also members of a sorted set, scored by when they expire: "<id> <counter>=<period>=<units> …".
// Stored data is not trusted: a key of another type is deleted, and a number that this product cannot have written is ignored.
// Keys of one client share a slot of a Redis cluster, by the part in braces.
const HELPERS = `local now, reservations = tonumber(ARGV[1]), KEYS[1]

local function deleteUnless(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

local function whole(text)
  local value = tonumber(text or '')
  if value and value >= 0 and value <= ${MAX_COUNT} and value == math.floor(value) then return value end
end

local function read(key, name, period)
  deleteUnless(key, 'hash')
  local counter = { key = key, name = name, period = period, index = math.floor(now / period), current = 0, previous = 0 }
  local index, current = whole(redis.call('HGET', key, 'index')), whole(redis.call('HGET', key, 'current')) or 0
  if index == counter.index or index == counter.index + 1 then
    counter.index, counter.current, counter.previous = index, current, whole(redis.call('HGET', key, 'previous')) or 0
  elseif index == counter.index - 1 then
    counter.previous = current
  end
  return counter
end

local function bounded(value)
  return math.min(${MAX_COUNT}, math.max(0, value))
end

local function add(counter, index, units)
  if index == counter.index then counter.current = bounded(counter.current + units)
  elseif index == counter.index - 1 then counter.previous = bounded(counter.previous + units) end
end

local function write(counter)
  local text = function(value) return string.format('%.0f', value) end
  redis.call('HSET', counter.key, 'index', text(counter.index), 'current', text(counter.current), 'previous', text(counter.previous))
  redis.call('PEXPIRE', counter.key, text(2 * counter.period))
end

-- Returns the units of expired reservations to their counters, and whether there were any. A request that uses only some of a
-- client's counters leaves reservations in others to the next operation, which uses all of them.
local function returnExpired(counters, hasAll)
  deleteUnless(reservations, 'zset')
  local isChanged = false
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', reservations, '-inf', now)) do
    local isReturned, parts = true, {}
    for name, index, units in string.gmatch(member, ' ([^ =]+)=(%d+)=(%d+)') do
      if counters[name] then table.insert(parts, { counters[name], whole(index), whole(units) })
      elseif not hasAll then isReturned = false end
    end
    if isReturned then
      redis.call('ZREM', reservations, member)
      isChanged = true
      for _, part in ipairs(parts) do
        if part[3] then add(part[1], part[2], -part[3]) end
      end
    end
  end
  return isChanged
end
`;

const TAKE = `${HELPERS}
local id, ttl, longest, counters, isGranted = ARGV[2], tonumber(ARGV[3]), 0, {}, 1
for i = 2, #KEYS do
  local at = 5 * i - 6
  local counter = read(KEYS[i], ARGV[at], tonumber(ARGV[at + 1]))
  counter.limit, counter.isSliding, counter.units = tonumber(ARGV[at + 2]), ARGV[at + 3] == '1', tonumber(ARGV[at + 4])
  counters[i - 1], counters[counter.name] = counter, counter
  longest = math.max(longest, counter.period)
end
local isChanged = returnExpired(counters, id ~= '')
for _, counter in ipairs(counters) do
  local elapsed = math.max(0, now - counter.index * counter.period)
  local weight = counter.isSliding and counter.period - elapsed or 0
  local unused = (counter.limit - counter.current) * counter.period - counter.previous * weight
  if counter.units > 0 and counter.units * counter.period > unused then isGranted = 0 end
end
local member = id
for _, counter in ipairs(counters) do
  if isGranted == 1 and counter.units > 0 then
    add(counter, counter.index, counter.units)
    member = string.format('%s %s=%.0f=%.0f', member, counter.name, counter.index, counter.units)
  end
  if isChanged or isGranted == 1 and counter.units > 0 then write(counter) end
end
if isGranted == 1 and id ~= '' and member ~= id then
  redis.call('ZADD', reservations, string.format('%.0f', now + ttl), member)
  -- The client's next request may come long after a reservation has expired, so they are kept as long as the counts.
  redis.call('PEXPIRE', reservations, string.format('%.0f', ttl + 2 * longest))
end
local result = { isGranted }
for _, counter in ipairs(counters) do
  table.insert(result, counter.index)
  table.insert(result, counter.current)
  table.insert(result, counter.previous)
end
return result`;

const SETTLE = `${HELPERS}
deleteUnless(reservations, 'zset')
local isReserved = redis.call('ZREM', reservations, ARGV[2]) == 1
for i = 2, #KEYS do
  local at = 5 * i - 7
  local counter = read(KEYS[i], ARGV[at], tonumber(ARGV[at + 1]))
  local index, units, used = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local difference = isReserved and used - units or used
  if difference ~= 0 then
    add(counter, index, difference)
    write(counter)
  end
end
return 0`;

export type RedisCountersOptions = {
  readonly redis: Redis;
  /** Time after which the units of a process that has died are returned, in milliseconds. */
  readonly reservationMs: number;
};

/** Counts in Redis, for all processes that use it. Unavailable while Redis is. */
export const createRedisCounters = ({ redis, reservationMs }: RedisCountersOptions): Counters => ({
  take: async (client, uses, { isReservation = false } = {}) => {
    const now = Math.floor(redis.now());
    const counters = uses.map(({ counter }) => counter);
    const keys = keysOf(client, counters);
    const id = isReservation ? randomUUID() : '';
    const response = await redis.attempt((connection) =>
      connection.eval(TAKE, {
        keys,
        arguments: [
          `${now}`,
          id,
          `${reservationMs}`,
          ...uses.flatMap(({ counter: { name, periodMs, limit, isSliding }, units }) =>
            [name, periodMs, limit, isSliding ? 1 : 0, units].map(String),
          ),
        ],
      }),
    );
    const result = parseTaken(response, counters, now);
    if (!result) return undefined;
    const { isGranted, counts } = result;
    return {
      isGranted,
      usages: counters.map((counter, index) => ({ counter, counts: counts[index] as Counts, now })),
      settle: (used) => {
        if (!isGranted) return;
        const parts = uses.flatMap(({ counter: { name }, units }, index) =>
          units > 0 ? [` ${name}=${counts[index]?.index}=${units}`] : [],
        );
        const figures = uses.flatMap(({ counter: { name, periodMs }, units }, index) =>
          [name, periodMs, counts[index]?.index, units, used[index] ?? units].map(String),
        );
        // Not awaited. If it is lost, the reservation expires, and the calls that were made do not count.
        void redis.attempt((connection) =>
          connection.eval(SETTLE, {
            keys,
            arguments: [`${Math.floor(redis.now())}`, `${id}${parts.join('')}`, ...figures],
          }),
        );
      },
    };
  },
});

/** Hashed: a subject is personal data, can be long and can contain braces. */
const keysOf = (client: string, counters: readonly Counter[]): string[] => {
  const prefix = `tributary:limits:{${createHash('sha256').update(client).digest('base64url').slice(0, 24)}}`;
  return [`${prefix}:reservations`, ...counters.map(({ name, periodMs }) => `${prefix}:${name}:${periodMs}`)];
};

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_COUNT;

/** Returns undefined for a response that the script cannot have given. */
const parseTaken = (response: unknown, counters: readonly Counter[], now: number) => {
  if (!Array.isArray(response) || response.length !== 1 + 3 * counters.length || !response.every(isCount))
    return undefined;
  const counts = counters.map((_, at): Counts => {
    const [index, current, previous] = response.slice(1 + 3 * at) as [number, number, number];
    return { index, current, previous };
  });
  const isCurrent = counts.every(({ index }, at) => {
    const ahead = index - Math.floor(now / (counters[at]?.periodMs ?? 1));
    return ahead === 0 || ahead === 1;
  });
  return isCurrent ? { isGranted: response[0] === 1, counts } : undefined;
};

export type SharedCountersOptions = RedisCountersOptions & {
  /** While Redis is unavailable: count in this process alone, or be unavailable, too. */
  readonly withoutRedis: 'local' | 'refuse';
};

/** Counts in Redis and, if so configured, in this process while Redis is unavailable. */
export const createSharedCounters = ({ withoutRedis, ...options }: SharedCountersOptions): Counters => {
  const shared = createRedisCounters(options);
  if (withoutRedis === 'refuse') return shared;
  const own = createMemoryCounters(options.redis.now);
  return {
    take: async (client, uses, takeOptions): Promise<Taken | undefined> =>
      (await shared.take(client, uses, takeOptions)) ?? own.take(client, uses),
  };
};
