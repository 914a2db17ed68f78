import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { Registry } from 'prom-client';
import { ChatError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { problemReplies } from '../../protocol/problems.ts';
import type { AuthService } from '../../users/auth/auth.service.ts';
import { access, describe } from '../describe.ts';
import { credentialOf } from '../plugins/auth.ts';
import { mayBeOfPage } from '../plugins/browsers.ts';
import type { Origins } from '../plugins/proxies.ts';

/** How long a database may take to answer before the server counts as not ready. */
const READY_TIMEOUT_MS = 2000;

const Health = Type.Object(
  { status: Type.Literal('ok') },
  { title: 'Health', examples: [{ status: 'ok' }] },
);
const Readiness = Type.Object(
  {
    status: Type.Literal('ready'),
    database: Type.Literal('ok'),
    redis: Type.Optional(
      Type.Union([Type.Literal('ok'), Type.Literal('away')], {
        description:
          'only with REDIS_URL; `away`: this server serves its own clients, and catches up with the others when Redis is back',
      }),
    ),
  },
  { title: 'Readiness', examples: [{ status: 'ready', database: 'ok' }] },
);

export function opsRoutes(parts: {
  auth: AuthService;
  clock: Clock;
  origins: Origins;
  /** In Prometheus' text format. */
  metrics(): Promise<string>;
  /** Whether the other servers are reached; undefined without Redis. */
  isConnected: (() => boolean) | undefined;
  /** Returns when the database answers. */
  ping(): Promise<void>;
  isStopping(): boolean;
}) {
  return new Elysia({ name: 'ops', tags: ['server'] })
    .use(parts.origins)
    .get('/health', () => ({ status: 'ok' as const }), {
      response: { 200: Health },
      detail: describe(
        'getHealth',
        'Liveness check',
        'Answers as long as the server runs.',
        access.public,
      ),
    })
    .get(
      '/ready',
      async () => {
        if (parts.isStopping())
          throw new ChatError('unavailable', 'The server is stopping; try another one, or later.');
        await Promise.race([
          parts.ping(),
          parts.clock
            .sleep(READY_TIMEOUT_MS)
            .then(() => Promise.reject(new Error('no answer in time'))),
        ]).catch(() => {
          throw new ChatError('unavailable', 'The database does not answer.', 1);
        });
        // Without Redis a server still serves its clients; all servers would be out of service otherwise.
        const redis = parts.isConnected?.() ? ('ok' as const) : ('away' as const);
        const ready = { status: 'ready' as const, database: 'ok' as const };
        return parts.isConnected ? { ...ready, redis } : ready;
      },
      {
        response: { 200: Readiness, ...problemReplies('unavailable') },
        detail: describe(
          'getReadiness',
          'Readiness check',
          'Whether the server can serve requests: the database answers, and it is not stopping.',
          access.public,
        ),
      },
    )
    .get(
      '/metrics',
      async ({ headers, origin, request }) => {
        const isLocal = origin.isLocal && !mayBeOfPage(request);
        await parts.auth.checkOperator(credentialOf(headers), isLocal);
        return new Response(await parts.metrics(), {
          headers: { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE },
        });
      },
      {
        response: {
          200: Type.String({ contentMediaType: 'text/plain', examples: ['ws_chat_connections 2'] }),
          ...problemReplies('rate_limited', 'unauthorized', 'forbidden'),
        },
        detail: describe(
          'getMetrics',
          'Prometheus metrics',
          'For admins and the holder of `API_KEY`; without a key, also for requests from the same machine, except from browsers.',
        ),
      },
    );
}
