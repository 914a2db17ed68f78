import { BlockList, isIP } from 'node:net';
import { FormatRegistry, type Static, type TObject, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

FormatRegistry.Set(
  'postgres-url',
  (value) => /^postgres(ql)?:\/\/[^/]/.test(value) && URL.canParse(value),
);

FormatRegistry.Set('redis-url', (value) => /^rediss?:\/\/[^/]/.test(value) && URL.canParse(value));

FormatRegistry.Set('http-url', (value) => /^https?:\/\/[^/]/.test(value) && URL.canParse(value));
FormatRegistry.Set('origins', (value) => value === '*' || toOrigins(value).every(isOrigin));
FormatRegistry.Set('cidrs', (value) => value.split(',').every((cidr) => parseCidr(cidr)));

/** One entry per environment variable: its type, default, and the words for a wrong value. */
const Environment = Type.Object({
  PORT: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 3000,
    description: 'a port, 0 to 65535',
  }),
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'a host name or address' }),
  DATABASE_URL: Type.Optional(
    Type.String({
      format: 'postgres-url',
      description: 'a URL such as postgres://user:password@host:5432/database',
    }),
  ),
  DATA_DIR: Type.String({
    minLength: 1,
    default: './data',
    description: 'a folder, or "memory"',
  }),
  REDIS_URL: Type.Optional(
    Type.String({
      format: 'redis-url',
      description: 'a URL such as redis://user:password@host:6379/0',
    }),
  ),
  AUTH: Type.Union([Type.Literal('open'), Type.Literal('required')], {
    default: 'open',
    description: '"open" or "required"',
  }),
  AUTH_SECRET: Type.Optional(
    // A key for HS256 has at least as many bits as the hash: RFC 7518, 3.2.
    Type.String({ minLength: 32, description: 'at least 32 characters, drawn at random' }),
  ),
  AUTH_JWKS_URL: Type.Optional(
    Type.String({
      format: 'http-url',
      description: 'a URL such as https://login.example.com/.well-known/jwks.json',
    }),
  ),
  AUTH_ISSUER: Type.Optional(Type.String({ description: 'the "iss" of the tokens' })),
  AUTH_AUDIENCE: Type.Optional(Type.String({ description: 'the "aud" of the tokens' })),
  API_KEY: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{8,}$',
      description: 'at least 8 visible ASCII characters without a space',
    }),
  ),
  TRUST_PROXY: Type.Optional(
    Type.String({
      format: 'cidrs',
      description: 'CIDRs of proxies, such as 10.0.0.0/8,::1/128',
    }),
  ),
  MAX_CONTENT_LENGTH: Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 4000,
    description: 'a whole number of characters, 1 to 60000',
  }),
  ALLOWED_ORIGINS: Type.String({
    format: 'origins',
    default: '*',
    description: '"*", or origins such as https://example.com,https://app.example.com',
  }),
  MESSAGE_RATE: Type.Number({
    minimum: 0,
    maximum: 100_000,
    default: 20,
    description: 'messages a second, 0 to 100000',
  }),
  MESSAGE_BURST: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 40,
    description: 'a number of messages, 1 to 1000000',
  }),
  REQUEST_RATE: Type.Number({
    minimum: 0,
    maximum: 100_000,
    default: 50,
    description: 'requests a second, 0 to 100000',
  }),
  MAX_CONNECTIONS_PER_IP: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 200,
    description: 'a number of connections, 0 to 1000000',
  }),
  PRESENCE_GRACE: Type.Number({
    minimum: 0,
    maximum: 3600,
    default: 5,
    description: 'seconds, 0 to 3600',
  }),
  COMPRESSION: Type.Union([Type.Literal('off'), Type.Literal('on')], {
    default: 'off',
    description: '"on" or "off"',
  }),
  LOG_LEVEL: Type.Union(
    LOG_LEVELS.map((level) => Type.Literal(level)),
    { default: 'info', description: LOG_LEVELS.join(', ') },
  ),
});

type Environment = Static<typeof Environment>;
type Variables = Record<string, string | undefined>;

const DatabaseEnvironment = Type.Pick(Environment, ['DATABASE_URL', 'DATA_DIR']);

/** Values that nobody should find in a log, so that no error repeats them. */
const SECRETS = new Set(['DATABASE_URL', 'REDIS_URL', 'AUTH_SECRET', 'API_KEY']);

/** Where the data is. */
export interface DatabaseSettings {
  /** Unset: the embedded database in `dataDir`. */
  databaseUrl?: string;
  /** A folder, or `memory` for a database that is gone when the server stops. */
  dataDir: string;
}

/** Whose tokens are accepted beside our own. */
export interface ForeignKeys {
  /** Of a JSON Web Key Set (RFC 7517). */
  url: string;
  /** What `iss` and `aud` must be. */
  issuer: string;
  audience: string;
}

/** The settings, checked. Durations are in seconds, lengths in characters. */
export interface Settings extends DatabaseSettings {
  port: number;
  host: string;
  /** Set: this server is one of several, which share the database and this Redis. */
  redisUrl?: string;
  /** `required`: nobody gets in without a token. */
  auth: Environment['AUTH'];
  /** The key of our own tokens; unset: one that is kept in `dataDir`. */
  authSecret?: string;
  foreignKeys?: ForeignKeys;
  apiKey?: string;
  /** The addresses of proxies that are believed. */
  trustProxy?: BlockList;
  /** `*`, or the origins of the pages that may speak to this server. */
  allowedOrigins: '*' | string[];
  /** Messages a second, per account or per guest and address; 0 for no limit. */
  messageRate: number;
  messageBurst: number;
  /** Requests a second, per address; 0 for no limit. */
  requestRate: number;
  /** Open WebSockets and streams of events; 0 for no limit. */
  maxConnectionsPerIp: number;
  maxContentLength: number;
  presenceGrace: number;
  compression: boolean;
  logLevel: Environment['LOG_LEVEL'];
}

/** One or more settings are wrong; the message names each and says what was expected. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/**
 * Reads the settings from environment variables. An empty variable counts as unset.
 *
 * @throws {SettingsError} naming every wrong setting
 */
export function readSettings(env: Variables): Settings {
  const checked = check(Environment, env, missing(env));
  const { AUTH_JWKS_URL: url, AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = checked;
  return {
    ...toDatabaseSettings(checked),
    port: checked.PORT,
    host: checked.HOST,
    ...(checked.REDIS_URL && { redisUrl: checked.REDIS_URL }),
    auth: checked.AUTH,
    ...(checked.AUTH_SECRET && { authSecret: checked.AUTH_SECRET }),
    ...(url && issuer && audience && { foreignKeys: { url, issuer, audience } }),
    ...(checked.API_KEY && { apiKey: checked.API_KEY }),
    ...(checked.TRUST_PROXY && { trustProxy: toBlockList(checked.TRUST_PROXY) }),
    allowedOrigins: checked.ALLOWED_ORIGINS === '*' ? '*' : toOrigins(checked.ALLOWED_ORIGINS),
    messageRate: checked.MESSAGE_RATE,
    messageBurst: checked.MESSAGE_BURST,
    requestRate: checked.REQUEST_RATE,
    maxConnectionsPerIp: checked.MAX_CONNECTIONS_PER_IP,
    maxContentLength: checked.MAX_CONTENT_LENGTH,
    presenceGrace: checked.PRESENCE_GRACE,
    compression: checked.COMPRESSION === 'on',
    logLevel: checked.LOG_LEVEL,
  };
}

/**
 * Reads of the settings only where the data is.
 *
 * @throws {SettingsError} naming every wrong setting
 */
export function readDatabaseSettings(env: Variables): DatabaseSettings {
  return toDatabaseSettings(check(DatabaseEnvironment, env));
}

function toDatabaseSettings({
  DATABASE_URL,
  DATA_DIR,
}: Static<typeof DatabaseEnvironment>): DatabaseSettings {
  return { dataDir: DATA_DIR, ...(DATABASE_URL && { databaseUrl: DATABASE_URL }) };
}

/** @param complaints what is wrong with the settings together */
function check<T extends TObject>(schema: T, env: Variables, complaints: string[] = []): Static<T> {
  const given = Object.entries(env).filter(([name, value]) => name in schema.properties && value);
  const candidate = Value.Default(
    schema,
    Object.fromEntries(
      given.map(([name, value]) => {
        const isNumber = /number|integer/.test(schema.properties[name]?.type);
        return [name, isNumber && !Number.isNaN(Number(value)) ? Number(value) : value];
      }),
    ),
  );
  const wrong = new Set([...Value.Errors(schema, candidate)].map(({ path }) => path.slice(1)));
  const all = [...wrong].map((name) => {
    const found = SECRETS.has(name) ? '' : `, not ${JSON.stringify(env[name])}`;
    return `${name} must be ${schema.properties[name]?.description}${found}`;
  });
  all.push(...complaints);
  if (all.length > 0) throw new SettingsError(all.join('; '));
  return candidate as Static<T>;
}

/** Settings that others ask for. */
function missing(env: Variables): string[] {
  const complaints: string[] = [];
  if (env.DATABASE_URL && !env.AUTH_SECRET) {
    const expected = Environment.properties.AUTH_SECRET.description;
    complaints.push(`AUTH_SECRET must be set when DATABASE_URL is: ${expected}`);
  }
  const foreign = ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'];
  const unset = foreign.filter((name) => !env[name]);
  if (unset.length > 0 && unset.length < foreign.length) {
    complaints.push(`${unset.join(' and ')} must be set too: ${foreign.join(', ')} go together`);
  }
  return complaints;
}

function toOrigins(list: string): string[] {
  return list.split(',').map((origin) => origin.trim().toLowerCase());
}

/** A scheme, a host and perhaps a port, and nothing behind them. */
function isOrigin(origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).origin === origin;
}

function toBlockList(cidrs: string): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs.split(',')) {
    const { address, bits, family } = parseCidr(cidr) as NonNullable<ReturnType<typeof parseCidr>>;
    list.addSubnet(address, bits, family);
  }
  return list;
}

/** An address with or without the number of its bits that count; undefined for anything else. */
function parseCidr(cidr: string) {
  const [, address = '', digits] = /^\s*([^/\s]+)(?:\/(\d{1,3}))?\s*$/.exec(cidr) ?? [];
  const version = isIP(address);
  if (version === 0) return;
  const most = version === 4 ? 32 : 128;
  const bits = digits === undefined ? most : Number(digits);
  if (bits > most) return;
  return { address, bits, family: version === 4 ? ('ipv4' as const) : ('ipv6' as const) };
}
