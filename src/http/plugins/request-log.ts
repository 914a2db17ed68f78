import { Elysia } from 'elysia';
import type { Logger } from '../../log.ts';

/**
 * Logs each request at `debug`, with its route and its outcome. Its URL is not logged: a query may contain a
 * token, and a path anything.
 */
export function requestLog(log: Logger) {
  const app = new Elysia({ name: 'request-log' });
  if (!log.isLevelEnabled('debug')) return app;
  return app.onAfterResponse({ as: 'global' }, ({ request, responseValue, route, set }) => {
    const sent = responseValue instanceof Response ? responseValue.status : set.status;
    // Elysia does not see the upgrade; a refused handshake has the status of an error.
    const status = route === '/ws' && sent === 200 ? 101 : sent;
    log.debug({ method: request.method, route, status }, 'request');
  });
}
