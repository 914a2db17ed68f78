import { Elysia } from 'elysia';
import type { Logger } from '../log.ts';

/** Logs each request at `debug`: where it went and how it ended. A query may hold a token, so it is left out. */
export function requestLog(log: Logger) {
  const app = new Elysia({ name: 'request-log' });
  if (!log.isLevelEnabled('debug')) return app;
  return app.onAfterResponse({ as: 'global' }, ({ request, responseValue, set }) => {
    const { pathname } = new URL(request.url);
    const status = responseValue instanceof Response ? responseValue.status : set.status;
    log.debug({ method: request.method, pathname, status }, 'request');
  });
}
