import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { readSettings, SettingsError } from '../../src/config.ts';

describe('settings (contract 2)', () => {
  test('have their defaults when nothing is set, or set to nothing', () => {
    const defaults = {
      port: 3000,
      host: '127.0.0.1',
      dataDir: './data',
      maxContentLength: 4000,
      presenceGrace: 5,
      compression: false,
      logLevel: 'info',
    } as const;
    expect(readSettings({})).toEqual(defaults);
    expect(readSettings({ PORT: '', DATABASE_URL: '', HOME: '/root' })).toEqual(defaults);
  });

  test('are read from the environment', () => {
    expect(
      readSettings({
        PORT: '8080',
        HOST: '0.0.0.0',
        DATABASE_URL: 'postgresql://ana@db/chat',
        DATA_DIR: 'memory',
        MAX_CONTENT_LENGTH: '100',
        PRESENCE_GRACE: '0.5',
        COMPRESSION: 'on',
        LOG_LEVEL: 'silent',
      }),
    ).toEqual({
      port: 8080,
      host: '0.0.0.0',
      databaseUrl: 'postgresql://ana@db/chat',
      dataDir: 'memory',
      maxContentLength: 100,
      presenceGrace: 0.5,
      compression: true,
      logLevel: 'silent',
    });
  });

  for (const [name, value] of [
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '3000.5'],
    ['PORT', '3000x'],
    ['MAX_CONTENT_LENGTH', '0'],
    ['PRESENCE_GRACE', 'soon'],
    ['PRESENCE_GRACE', 'Infinity'],
    ['COMPRESSION', 'true'],
    ['LOG_LEVEL', 'loud'],
    ['DATABASE_URL', 'localhost'],
    ['DATABASE_URL', 'postgres://ana:secret@localhost:port/chat'],
  ] as const) {
    test(`refuse ${name}=${value} by name`, () => {
      expect(() => readSettings({ [name]: value })).toThrow(SettingsError);
      expect(() => readSettings({ [name]: value })).toThrow(new RegExp(`${name} must be `));
      expect(() => readSettings({ [name]: value })).not.toThrow('secret');
    });
  }

  test('are all in .env.example, with their defaults', () => {
    const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
    const set = Object.fromEntries(
      [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(readSettings(set)).toEqual(readSettings({}));
    expect(Object.keys(set)).toHaveLength(7);
    expect(example).toContain('# DATABASE_URL=');
  });
});
