/**
 * The `Link` header (RFC 8288) that leads on from a page: the same request with `changes` in its query.
 */
export function nextLink(requestUrl: string, changes: Record<string, string | number>): string {
  const { pathname, searchParams } = new URL(requestUrl);
  for (const [name, value] of Object.entries(changes)) searchParams.set(name, String(value));
  return `<${pathname}?${searchParams}>; rel="next"`;
}
