import { expect, test } from 'bun:test';
import pino from 'pino';
import { readSettings } from '../../src/config.ts';
import { startServer } from '../support/server.ts';

const lines: { msg: string; address?: string }[] = [];
const log = pino({ level: 'warn' }, { write: (line) => lines.push(JSON.parse(line)) });
const behind = (TRUST_PROXY: string) => {
  const { trustProxy } = readSettings({ TRUST_PROXY });
  return startServer({ host: '127.0.0.1', ...(trustProxy && { trustProxy }) }, { log });
};
const trusting = await behind('127.0.0.1, 10.0.0.0/8, fd00::/8');
const wary = await behind('10.0.0.0/8');
const plain = await behind('');

test('behind a trusted proxy with TLS the WebSocket is wss, and without it the headers of a proxy count for nothing', async () => {
  const schemeSaid = async (server: typeof plain, proto: string) => {
    const response = await server.fetch('/ws-info', { headers: { 'x-forwarded-proto': proto } });
    return (await response.json()).websocketUrl.split(':')[0];
  };
  expect(await schemeSaid(trusting, 'https')).toBe('wss');
  expect(await schemeSaid(trusting, 'HTTPS, http')).toBe('wss');
  expect(await schemeSaid(trusting, 'http')).toBe('ws');
  expect(await schemeSaid(trusting, '')).toBe('ws');
  expect(await schemeSaid(wary, 'https')).toBe('ws');
  expect(await schemeSaid(plain, 'https')).toBe('ws');
});

test('metrics are for the same machine, but not for clients behind a proxy on it', async () => {
  expect((await plain.fetch('/metrics')).status).toBe(200);
  for (const server of [trusting, wary, plain]) {
    const headers = { 'x-forwarded-for': '203.0.113.7' };
    expect((await server.fetch('/metrics', { headers })).status).toBe(401);
  }
});

test('a client’s address is the last one that is not a trusted proxy’s', async () => {
  const addressSeen = async (server: typeof plain, forwardedFor: string) => {
    lines.length = 0;
    await server.fetch('/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': forwardedFor },
      body: JSON.stringify({ username: 'nobody-here', password: 'a wrong password' }),
    });
    return lines.find(({ msg }) => msg === 'sign-in refused')?.address;
  };
  expect(await addressSeen(trusting, '203.0.113.7')).toBe('203.0.113.7');
  expect(await addressSeen(trusting, '198.51.100.1, 203.0.113.7, 10.1.2.3')).toBe('203.0.113.7');
  expect(await addressSeen(trusting, '2001:db8::7, fd00::1')).toBe('2001:db8::7');
  expect(await addressSeen(trusting, '10.1.1.1, 10.2.2.2')).toBe('10.1.1.1');
  expect(await addressSeen(trusting, '')).toBe('127.0.0.1');
  for (const port of [1024, 65535]) {
    expect(await addressSeen(trusting, `203.0.113.7:${port}`)).toBe('203.0.113.7');
    expect(await addressSeen(trusting, `[2001:db8::7]:${port}, 10.1.2.3:${port}`)).toBe(
      '2001:db8::7',
    );
  }
  expect(await addressSeen(trusting, '[2001:DB8:0::7]')).toBe('2001:db8::7');
  expect(await addressSeen(trusting, '::ffff:203.0.113.7')).toBe('203.0.113.7');
  expect(await addressSeen(trusting, '203.0.113.7, unknown')).toBe('127.0.0.1');
  expect(await addressSeen(trusting, '203.0.113.7, unknown, 10.1.2.3')).toBe('10.1.2.3');
  expect(await addressSeen(wary, '203.0.113.7')).toBe('127.0.0.1');
  expect(await addressSeen(plain, '203.0.113.7')).toBe('127.0.0.1');
});
