import type { ApiParts } from './api.ts';
import { type OpenLink, type WebSocketConstructor, webSocketLink } from './link.ts';
import type { ChatOptions } from './options.ts';
import { lazy } from './part.ts';
import type { Platform } from './platform.ts';
import { quiet } from './quiet.ts';

/** What is loaded when it is first used, so that a page can begin with little. */
export const load = {
  ambient: lazy(() => import('./ambient.ts')),
  api: lazy(() => import('./api.ts')),
  changes: lazy(() => import('./changes.ts')),
  older: lazy(() => import('./older.ts')),
  transports: lazy(() => import('./transports.ts')),
};

type Ambient = Awaited<ReturnType<typeof load.ambient>>;

let loaded: Ambient | undefined;

/** Does something with what is around the messages: at once when it is loaded, else later. */
export function ambient<Result>(
  use: (ambient: Ambient) => Result,
): Result | Promise<Awaited<Result>> {
  return loaded
    ? use(loaded)
    : (quiet(
        load.ambient().then((part) => {
          loaded = part;
          return use(part);
        }),
      ) as Promise<Awaited<Result>>);
}

/** What a link needs to know. */
export interface LinkParts extends ApiParts {
  platform: Platform;
}

/**
 * The way to the server.
 *
 * @param failures how many links in a row never opened: after two, WebSockets seem to be blocked here,
 *   and from then on both ways are tried in turn
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
