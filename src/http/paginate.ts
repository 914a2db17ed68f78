import type { Context } from 'elysia';

/**
 * Cuts found items to a page, whose `Link` header (RFC 8288) leads to the next one: the same request with other
 * bounds in its query.
 *
 * @param found one item more than the limit, if there are more
 * @param limit the most items of a page
 * @param next the query of the next page, by the last item of this one
 */
export function paginate<Item>(
  { request, set }: { request: Request; set: Context['set'] },
  found: Item[],
  limit: number,
  next: (last: Item) => Record<string, string | number>,
): Item[] {
  if (found.length <= limit) return found;
  const page = found.slice(0, limit);
  const last = page.at(-1);
  if (last !== undefined) linkNext({ request, set }, next(last));
  return page;
}

/** Sets a `Link` header (RFC 8288) to the next page: the same request with these changes in its query. */
export function linkNext(
  { request, set }: { request: Request; set: Context['set'] },
  changes: Record<string, string | number>,
): void {
  const { pathname, searchParams } = new URL(request.url);
  for (const [name, value] of Object.entries(changes)) searchParams.set(name, String(value));
  set.headers.link = `<${pathname}?${searchParams}>; rel="next"`;
}
