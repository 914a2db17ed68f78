import { cors } from '@elysiajs/cors';
import { Elysia } from 'elysia';
import { ChatError } from '../errors.ts';

/**
 * What browsers are told to keep to. Our pages load nothing from elsewhere and have no inline script; what
 * users write is text everywhere, and this holds should that ever fail.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
 */
const SECURITY_HEADERS = {
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
  // What is told to one is nobody else's; the pages, which are the same for all, say otherwise.
  'cache-control': 'no-store',
};

/** Security headers on every reply, and CORS for the pages of the allowed origins. */
export function browsers(allowedOrigins: '*' | string[]) {
  return new Elysia({ name: 'browsers' }).headers(SECURITY_HEADERS).use(
    cors({
      origin: allowedOrigins,
      // There are no cookies; a token is sent by whoever has it.
      credentials: false,
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'last-event-id'],
      exposeHeaders: ['link', 'retry-after', 'www-authenticate'],
      maxAge: 600,
    }),
  );
}

/**
 * Refuses a handshake that a browser makes for a page of an origin that is not allowed; CORS does not
 * hold WebSockets back. Our own pages may always.
 *
 * @throws {ChatError} `forbidden`
 */
export function checkOrigin(request: Request, allowedOrigins: '*' | string[]): void {
  const origin = request.headers.get('origin')?.toLowerCase();
  if (origin === undefined || allowedOrigins === '*' || allowedOrigins.includes(origin)) return;
  const host = request.headers.get('host')?.toLowerCase();
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new ChatError('forbidden', 'Pages of this origin may not connect; see ALLOWED_ORIGINS.');
}
