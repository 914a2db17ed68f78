import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { readDatabaseSettings, readSettings, SettingsError } from '../../src/config.ts';

const secret = 'x'.repeat(32);

describe('settings', () => {
  test('have their defaults when they are not set, or empty', () => {
    const defaults = {
      port: 3000,
      host: '127.0.0.1',
      dataDir: './data',
      auth: 'open',
      allowedOrigins: '*',
      messageRate: 20,
      messageBurst: 40,
      requestRate: 50,
      maxConnectionsPerIp: 200,
      maxContentLength: 4000,
      databaseTimeout: 4,
      presenceGrace: 5,
      compression: false,
      logLevel: 'info',
    } as const;
    expect(readSettings({})).toEqual(defaults);
    expect(readSettings({ PORT: '', DATABASE_URL: '', HOME: '/root' })).toEqual(defaults);
  });

  test('are read from the environment', () => {
    const { trustProxy, ...settings } = readSettings({
      PORT: '8080',
      HOST: '0.0.0.0',
      DATABASE_URL: 'postgresql://ana@db/chat',
      DATA_DIR: 'memory',
      AUTH: 'required',
      AUTH_SECRET: secret,
      AUTH_JWKS_URL: 'https://login.example.com/keys',
      AUTH_ISSUER: 'https://login.example.com',
      AUTH_AUDIENCE: 'chat',
      API_KEY: 'key-of-the-back-end',
      TRUST_PROXY: '10.0.0.0/8, ::1, 192.168.1.1',
      ALLOWED_ORIGINS: 'https://example.com, HTTP://localhost:5173',
      MESSAGE_RATE: '0.5',
      MESSAGE_BURST: '1',
      REQUEST_RATE: '0',
      MAX_CONNECTIONS_PER_IP: '0',
      MAX_CONTENT_LENGTH: '100',
      DATABASE_TIMEOUT: '2.5',
      PRESENCE_GRACE: '0.5',
      COMPRESSION: 'on',
      LOG_LEVEL: 'silent',
    });
    expect(settings).toEqual({
      port: 8080,
      host: '0.0.0.0',
      databaseUrl: 'postgresql://ana@db/chat',
      dataDir: 'memory',
      auth: 'required',
      authSecret: secret,
      foreignKeys: {
        url: 'https://login.example.com/keys',
        issuer: 'https://login.example.com',
        audience: 'chat',
      },
      apiKey: 'key-of-the-back-end',
      allowedOrigins: ['https://example.com', 'http://localhost:5173'],
      messageRate: 0.5,
      messageBurst: 1,
      requestRate: 0,
      maxConnectionsPerIp: 0,
      maxContentLength: 100,
      databaseTimeout: 2.5,
      presenceGrace: 0.5,
      compression: true,
      logLevel: 'silent',
    });
    expect(trustProxy?.map(([address, bits]) => `${address}/${bits}`)).toEqual([
      '10.0.0.0/8',
      '::1/128',
      '192.168.1.1/32',
    ]);
  });

  for (const [name, value] of [
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '3000.5'],
    ['PORT', '3000x'],
    ['MAX_CONTENT_LENGTH', '0'],
    ['PRESENCE_GRACE', 'soon'],
    ['DATABASE_TIMEOUT', '0'],
    ['DATABASE_TIMEOUT', '61'],
    ['PRESENCE_GRACE', 'Infinity'],
    ['COMPRESSION', 'true'],
    ['LOG_LEVEL', 'loud'],
    ['AUTH', 'closed'],
    ['AUTH_SECRET', 'secret-but-short'],
    ['AUTH_JWKS_URL', 'login.example.com'],
    ['API_KEY', 'secret with spaces'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', 'nginx'],
    ['ALLOWED_ORIGINS', 'example.com'],
    ['ALLOWED_ORIGINS', 'https://example.com/'],
    ['ALLOWED_ORIGINS', 'https://example.com,*'],
    ['MESSAGE_RATE', '-1'],
    ['MESSAGE_BURST', '0'],
    ['REQUEST_RATE', 'none'],
    ['MAX_CONNECTIONS_PER_IP', '1.5'],
    ['DATABASE_URL', 'localhost'],
    ['DATABASE_URL', 'postgres://ana:secret@localhost:port/chat'],
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'http://:secret@localhost:6379'],
  ] as const) {
    test(`refuse ${name}=${value} by name`, () => {
      expect(() => readSettings({ [name]: value })).toThrow(SettingsError);
      expect(() => readSettings({ [name]: value })).toThrow(new RegExp(`${name} must be `));
      expect(() => readSettings({ [name]: value })).not.toThrow('secret');
    });
  }

  test('that depend on others name them', () => {
    expect(() => readSettings({ REDIS_URL: 'redis://localhost' })).toThrow(
      /^REDIS_URL needs DATABASE_URL to be set too/,
    );
    expect(() => readSettings({ AUTH_JWKS_URL: 'https://login.example.com/keys' })).toThrow(
      /AUTH_ISSUER and AUTH_AUDIENCE must be set too/,
    );
  });

  test('that are wrong get a line each', () => {
    const read = () => readSettings({ AUTH_AUDIENCE: 'chat', PORT: 'x', API_KEY: 'short' });
    expect(read).toThrow(
      new SettingsError(
        [
          'PORT must be a port, 0 to 65535, not "x"',
          'API_KEY must be at least 8 visible ASCII characters without a space',
          'AUTH_JWKS_URL and AUTH_ISSUER must be set too: AUTH_JWKS_URL, AUTH_ISSUER, AUTH_AUDIENCE go together',
        ].join('\n'),
      ),
    );
  });

  test('need no secret, even with DATABASE_URL', () => {
    const settings = readSettings({ DATABASE_URL: 'postgres://ana@db/chat' });
    expect(settings.authSecret).toBeUndefined();
  });

  test('of the database alone are enough to migrate it', () => {
    expect(readDatabaseSettings({ DATABASE_URL: 'postgres://ana@db/chat', PORT: 'x' })).toEqual({
      databaseUrl: 'postgres://ana@db/chat',
      dataDir: './data',
    });
  });

  test('are all in .env.example, with their defaults', () => {
    const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const set = Object.fromEntries(
      [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(readSettings(set)).toEqual(readSettings({}));
    expect(Object.keys(set)).toHaveLength(14);
    const unset = [...example.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(unset).toEqual([
      'DATABASE_URL',
      'REDIS_URL',
      'AUTH_SECRET',
      'AUTH_JWKS_URL',
      'AUTH_ISSUER',
      'AUTH_AUDIENCE',
      'API_KEY',
      'TRUST_PROXY',
    ]);
  });
});
