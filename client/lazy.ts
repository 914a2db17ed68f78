import type { ApiParts } from './api.ts';
import { type OpenLink, type WebSocketConstructor, webSocketLink } from './link.ts';
import type { ChatOptions } from './options.ts';
import { lazy } from './part.ts';
import type { Platform } from './platform.ts';
import { quiet } from './quiet.ts';

/** The parts that are loaded when they are first used, so that a page begins with few bytes. */
export const load = {
  background: lazy(() => import('./background.ts')),
  api: lazy(() => import('./api.ts')),
  changes: lazy(() => import('./changes.ts')),
  history: lazy(() => import('./history.ts')),
  transports: lazy(() => import('./transports.ts')),
};

type Background = Awaited<ReturnType<typeof load.background>>;

let loaded: Background | undefined;

/** Uses the background part: at once if it is loaded, otherwise when it is. */
export function background<Result>(
  use: (background: Background) => Result,
): Result | Promise<Awaited<Result>> {
  return loaded
    ? use(loaded)
    : (quiet(
        load.background().then((part) => {
          loaded = part;
          return use(part);
        }),
      ) as Promise<Awaited<Result>>);
}

/** What a link is made of. */
export interface LinkParts extends ApiParts {
  platform: Platform;
}

/**
 * Chooses the transport.
 *
 * @param failures how many links in a row failed to open: after two, WebSockets seem to be blocked, and
 *   from then on SSE and WebSocket are tried in turn
 */
export function openLink(
  parts: LinkParts,
  { transport, shareTabs, WebSocket }: ChatOptions,
  failures: number,
): OpenLink | Promise<OpenLink> {
  const own = WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  const isBlocked = transport !== 'websocket' && failures > 1 && failures % 2 === 0;
  const link =
    own && !isBlocked && transport !== 'sse'
      ? webSocketLink(`${parts.base.replace('http', 'ws')}/ws`, own)
      : undefined;
  if (link && !shareTabs) return link;
  return load.transports().then(({ otherLink }) => otherLink(parts, own, link));
}
