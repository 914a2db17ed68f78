import type { BlockList } from 'node:net';
import { Elysia } from 'elysia';
import type { Limits } from '../services/limits.ts';
import { originOf } from './proxies.ts';

/** Not counted: probes come in their own rhythm, and WebSockets have limits of their own. */
const UNCOUNTED = new Set(['/health', '/ready', '/ws']);

/** Counts the requests of each address, before anything is done for them. */
export function requestLimit(limits: Limits, trustProxy: BlockList | undefined) {
  return new Elysia({ name: 'request-limit' }).onRequest(({ request, server }) => {
    if (UNCOUNTED.has(new URL(request.url).pathname)) return;
    const peer = server?.requestIP(request)?.address ?? '';
    limits.checkRequest(originOf(request, peer, trustProxy).address);
  });
}
