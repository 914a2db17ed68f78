import { isIP } from 'node:net';
import { cors } from '@elysiajs/cors';
import { Elysia } from 'elysia';
import type { Settings } from '../../config.ts';
import { ChatError } from '../../errors.ts';
import { originOf } from './proxies.ts';

/**
 * The rules for browsers. Our pages load nothing from other hosts and have no inline script. The content of
 * users is shown as text everywhere; these headers are the second defence.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
 */
export const SECURITY_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  // A reply is for one client only; pages, which are the same for all, replace this header.
  'cache-control': 'no-store',
};

interface BrowserSettings {
  allowedOrigins: '*' | string[];
  trustProxy?: Settings['trustProxy'];
}

/** The parts of CORS that are the same for all pages of allowed origins. */
const CORS = {
  methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowedHeaders: ['authorization', 'content-type', 'last-event-id'],
  exposeHeaders: ['link', 'retry-after', 'www-authenticate'],
};

/** Methods that change nothing; CORS keeps their replies from pages of other origins. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Security headers on every reply, and CORS for the pages of the allowed origins. State-changing requests of
 * other pages are refused: CORS alone would only keep the reply from them.
 */
export function browsers({ allowedOrigins, trustProxy }: BrowserSettings) {
  return new Elysia({ name: 'browsers' })
    .headers(SECURITY_HEADERS)
    .use(
      cors({
        origin: allowedOrigins,
        // There are no cookies, and scripts send tokens themselves.
        credentials: false,
        ...CORS,
        maxAge: 600,
      }),
    )
    .onRequest(({ request, server }) => {
      if (SAFE_METHODS.has(request.method) || !request.headers.has('origin')) return;
      const peer = server?.requestIP(request)?.address ?? '';
      checkOrigin(request, originOf(request, peer, trustProxy).isSecure, allowedOrigins);
    });
}

/** The headers of {@link browsers}, for replies that its hooks do not see. */
export function browserHeaders(allowedOrigins: '*' | string[]) {
  const common = {
    ...SECURITY_HEADERS,
    'access-control-allow-headers': CORS.allowedHeaders.join(', '),
    'access-control-allow-methods': CORS.methods.join(', '),
    'access-control-expose-headers': CORS.exposeHeaders.join(', '),
  };
  const toAll = { ...common, 'access-control-allow-origin': '*', vary: '*' };
  const toOne = { ...common, vary: 'Origin' };
  return ({ headers }: Request): Record<string, string> => {
    if (allowedOrigins === '*') return toAll;
    const origin = headers.get('origin');
    const isAllowed = origin !== null && allowedOrigins.includes(origin);
    return isAllowed ? { ...toOne, 'access-control-allow-origin': origin } : toOne;
  };
}

/**
 * Refuses a browser's request for a page of an origin that is not allowed. Our own pages are allowed where
 * `Host` is an IP address or `localhost`; any other name may be made to resolve to us (DNS rebinding), and must
 * be in `ALLOWED_ORIGINS`.
 *
 * @param isSecure whether the request came over TLS
 * @throws {ChatError} `forbidden`
 */
export function checkOrigin(
  { headers }: Request,
  isSecure: boolean,
  allowedOrigins: '*' | string[],
): void {
  const origin = headers.get('origin')?.toLowerCase();
  if (origin === undefined || allowedOrigins === '*' || allowedOrigins.includes(origin)) return;
  const host = headers.get('host')?.toLowerCase() ?? '';
  const isOwn = origin === `${isSecure ? 'https' : 'http'}://${host}`;
  if (isOwn && isOwnHost(host)) return;
  throw new ChatError('forbidden', 'Pages of this origin are not allowed; see ALLOWED_ORIGINS.');
}

/** Whether a request may come from a page in a browser, rather than from a program. */
export function mayBeOfPage({ headers }: Request): boolean {
  const isMarked = headers.has('origin') || headers.has('sec-fetch-site');
  return isMarked || !isOwnHost(headers.get('host')?.toLowerCase() ?? '');
}

/** Whether a `Host` is an IP address or `localhost`, which cannot be rebound. */
function isOwnHost(host: string): boolean {
  const url = `http://${host}`;
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) > 0;
}
