import type { Context } from './context.ts';
import { invalid, missing } from './errors.ts';
import { expand } from './expand.ts';
import { type Fields, parseSearch } from './search.ts';

export type Listed = { readonly id: string; readonly created?: number };

type ListOptions = {
  readonly what: string;
  readonly url: string;
  /** The fields that a list can be filtered by, with parameters of the same names. */
  readonly filters?: readonly string[];
  readonly matches?: (object: Listed) => boolean;
};

/**
 * Creates a page of a list, newest first. Cursors are ids: the page after one, or the page before one, in the same order;
 * `has_more` refers to the requested direction.
 */
export const listPage = (objects: readonly Listed[], options: ListOptions, context: Context): object => {
  const { params } = context;
  const { what, url, filters = [], matches = () => true } = options;
  const limit = params.integer('limit', { min: 1, max: 100 }) ?? 10;
  const [after, before] = [params.text('starting_after'), params.text('ending_before')];
  if (after !== undefined && before !== undefined) {
    throw invalid('You may only specify one of these parameters: ending_before, starting_after.', {
      code: 'parameters_exclusive',
    });
  }
  const positionOf = (id: string, param: string): number => {
    const position = objects.findIndex((object) => object.id === id);
    if (position < 0) throw missing(what, id, 400, param);
    return position;
  };
  const rest =
    before !== undefined
      ? objects.slice(0, positionOf(before, 'ending_before'))
      : objects.slice(after === undefined ? 0 : positionOf(after, 'starting_after') + 1);
  const isCreated = createdFilter(context);
  const found = rest.filter(
    (object) =>
      isCreated(object) &&
      matches(object) &&
      filters.every((name) => {
        const wanted = params.text(name);
        return wanted === undefined || (object as Listed & Record<string, unknown>)[name] === wanted;
      }),
  );
  const data = before === undefined ? found.slice(0, limit) : found.slice(-limit);
  return expand({ object: 'list', url, has_more: found.length > limit, data }, params.list('expand'), context.state);
};

const RANGE = ['gt', 'gte', 'lt', 'lte'];

/** Reads the parameter `created`: a time, or a range such as `created[gte]`. */
const createdFilter = ({ params }: Context): ((object: Listed) => boolean) => {
  const range = params.object('created', RANGE) ?? {};
  const at = params.integer('created');
  const bounds = Object.fromEntries(Object.keys(range).map((key) => [key, params.integer(`created[${key}]`)]));
  const { gt = -1, gte = 0, lt = Number.POSITIVE_INFINITY, lte = Number.POSITIVE_INFINITY } = bounds;
  return ({ created = 0 }) =>
    created > gt && created >= gte && created < lt && created <= lte && (at === undefined || created === at);
};

/** Creates a page of search results, without objects newer than the index. */
export const searchPage = (objects: readonly Listed[], fields: Fields, url: string, context: Context): object => {
  const { params, now, searchLagMs, state } = context;
  const matches = parseSearch(params.required('query'), fields);
  const limit = params.integer('limit', { min: 1, max: 100 }) ?? 10;
  const start = Number(Buffer.from(params.text('page') ?? '', 'base64url').toString() || 0);
  if (!Number.isInteger(start) || start < 0) throw invalid('Invalid page.', { param: 'page' });
  const found = objects.filter((object) => (object.created ?? 0) * 1000 + searchLagMs <= now() && matches(object));
  const hasMore = start + limit < found.length;
  const paths = params.list('expand');
  return expand(
    {
      object: 'search_result',
      url,
      has_more: hasMore,
      next_page: hasMore ? Buffer.from(String(start + limit)).toString('base64url') : null,
      data: found.slice(start, start + limit),
      ...(paths.includes('total_count') && { total_count: found.length }),
    },
    paths,
    state,
  );
};
