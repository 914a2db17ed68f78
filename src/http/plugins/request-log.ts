import { Elysia } from 'elysia';
import type { Logger } from '../../log.ts';

/**
 * Logs each request at `debug`, with its route and its outcome; the front door logs handshakes. The URL is not logged: a query may contain a
 * token, and a path anything.
 */
export function requestLog(log: Logger) {
  const app = new Elysia({ name: 'request-log' });
  if (!log.isLevelEnabled('debug')) return app;
  return app.onAfterResponse({ as: 'global' }, ({ request, responseValue, route, set }) => {
    const status = responseValue instanceof Response ? responseValue.status : set.status;
    log.debug({ method: request.method, route, status }, 'request');
  });
}
