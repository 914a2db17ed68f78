import { isIP } from 'node:net';
import { FormatRegistry, type StaticDecode, type TObject, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import ipaddr from 'ipaddr.js';

/** The first address of a block, and how many of its leading bits count. */
export type Cidr = ReturnType<typeof ipaddr.parseCIDR>;

type Check = (value: string) => boolean;
type Range = [minimum: number, maximum: number, initial: number];

const range = (unit: string, [minimum, maximum, initial]: Range) => {
  return { minimum, maximum, default: initial, description: `${unit}, ${minimum} to ${maximum}` };
};
const whole = (unit: string, ...limits: Range) => Type.Integer(range(unit, limits));
const number = (unit: string, ...limits: Range) => Type.Number(range(unit, limits));
const text = (description: string, isRight: Check, options = {}) => {
  FormatRegistry.Set(description, isRight);
  return Type.String({ format: description, description, ...options });
};
/** No error repeats the value, as errors go to the log. */
const secret = (description: string, isRight: Check) =>
  text(description, isRight, { isSecret: true });
/** The first word is the default. */
const oneOf = <Word extends string>(...words: Word[]) =>
  Type.Unsafe<Word>(
    Type.Union(
      words.map((word) => Type.Literal(word)),
      { default: words[0], description: words.map((word) => `"${word}"`).join(' or ') },
    ),
  );
const isUrl = (schemes: string) => (value: string) =>
  new RegExp(`^(${schemes})://[^/]`).test(value) && URL.canParse(value);

/**
 * One entry per setting: its type, its default, and the words for the expected value. The variable of
 * `maxContentLength` is `MAX_CONTENT_LENGTH`. Durations are in seconds, lengths in characters, rates
 * per second; a rate or a number of connections of 0 is no limit.
 */
const schema = Type.Object({
  port: whole('a port', 0, 65_535, 3000),
  host: text('a host name or address', Boolean, { default: '127.0.0.1' }),
  /** Unset: the embedded database in `dataDir`. */
  databaseUrl: Type.Optional(
    secret(
      'a URL such as postgres://user:password@host:5432/database',
      isUrl('postgres|postgresql'),
    ),
  ),
  /** `memory`: a database that is lost when the server stops. */
  dataDir: text('a folder, or "memory"', Boolean, { default: './data' }),
  /** Set: this server is one of several, which share the database and this Redis. */
  redisUrl: Type.Optional(
    secret('a URL such as redis://user:password@host:6379/0', isUrl('redis|rediss')),
  ),
  /** `required`: a token is needed for everything that is not public. */
  auth: oneOf('open', 'required'),
  /** The key of our own tokens; unset: the one that the database keeps. */
  authSecret: Type.Optional(
    // A key for HS256 has at least as many bits as the hash: RFC 7518, 3.2.
    secret('at least 32 characters, drawn at random', (value) => value.length >= 32),
  ),
  authJwksUrl: Type.Optional(
    text('a URL such as https://login.example.com/.well-known/jwks.json', isUrl('http|https')),
  ),
  authIssuer: Type.Optional(Type.String()),
  authAudience: Type.Optional(Type.String()),
  apiKey: Type.Optional(
    secret('at least 8 visible ASCII characters without a space', (value) =>
      /^[\x21-\x7e]{8,}$/.test(value),
    ),
  ),
  /** The origins of pages that may connect to this server. */
  allowedOrigins: Type.Transform(
    text(
      '"*", or origins such as https://example.com,https://app.example.com',
      (value) => value === '*' || listOf(value).every(isOrigin),
      { default: '*' },
    ),
  )
    .Decode((value): '*' | string[] => (value === '*' ? value : listOf(value)))
    .Encode(String),
  /** The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. */
  trustProxy: Type.Optional(
    Type.Transform(
      text('CIDRs of proxies, such as 10.0.0.0/8,::1/128', (value) => listOf(value).every(toCidr)),
    )
      .Decode((value) =>
        listOf(value)
          .map(toCidr)
          .filter((cidr) => cidr !== undefined),
      )
      .Encode(String),
  ),
  messageRate: number('messages a second', 0, 100_000, 20),
  messageBurst: whole('a number of messages', 1, 1_000_000, 40),
  requestRate: number('requests a second', 0, 100_000, 50),
  maxConnectionsPerIp: whole('a number of connections', 0, 1_000_000, 200),
  databaseTimeout: number('seconds', 0.1, 60, 4),
  maxContentLength: whole('a whole number of characters', 1, 60_000, 4000),
  presenceGrace: number('seconds', 0, 3600, 5),
  compression: Type.Transform(oneOf('off', 'on'))
    .Decode((value) => value === 'on')
    .Encode((isOn) => (isOn ? 'on' : 'off')),
  logLevel: oneOf('info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'),
});

const databaseSchema = Type.Pick(schema, ['databaseUrl', 'dataDir']);

/** The settings that say where the data is. */
export type DatabaseSettings = StaticDecode<typeof databaseSchema>;

type Checked = StaticDecode<typeof schema>;
type Jwks = 'authJwksUrl' | 'authIssuer' | 'authAudience';

/** The identity provider whose tokens are accepted beside our own: the URL of its JSON Web Key Set, its `iss` and `aud`. */
export interface ForeignKeys {
  url: string;
  issuer: string;
  audience: string;
}

export type Settings = Omit<Checked, Jwks> & { foreignKeys?: ForeignKeys };

/** The message has a line for each wrong setting, with its name and the expected value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

type Variables = Record<string, string | undefined>;

/**
 * Reads the settings from environment variables. An empty variable counts as unset.
 *
 * @throws {SettingsError} naming every wrong setting
 */
export function readSettings(env: Variables): Settings {
  const checked = check(schema, env, missing(env));
  const { authJwksUrl: url, authIssuer: issuer, authAudience: audience, ...settings } = checked;
  const foreignKeys = url && issuer && audience && { url, issuer, audience };
  return { ...settings, ...(foreignKeys && { foreignKeys }) };
}

/**
 * Reads only the settings of the database.
 *
 * @throws {SettingsError} naming every wrong setting
 */
export function readDatabaseSettings(env: Variables): DatabaseSettings {
  return check(databaseSchema, env);
}

/** @param lines the faults of the settings together */
function check<T extends TObject>(of: T, env: Variables, lines: string[] = []): StaticDecode<T> {
  const given: Record<string, unknown> = {};
  for (const [setting, { type }] of Object.entries(of.properties)) {
    const value = env[variableOf(setting)];
    const isNumber = type !== 'string' && !Number.isNaN(Number(value));
    if (value) given[setting] = isNumber ? Number(value) : value;
  }
  const candidate = Value.Default(of, given);
  const wrong = new Set([...Value.Errors(of, candidate)].map(({ path }) => path.slice(1)));
  const errors = [...wrong].map((setting) => {
    const { description, isSecret } = of.properties[setting] as { [option: string]: unknown };
    const name = variableOf(setting);
    return `${name} must be ${description}${isSecret ? '' : `, not ${JSON.stringify(env[name])}`}`;
  });
  if (errors.length + lines.length > 0) throw new SettingsError([...errors, ...lines].join('\n'));
  return Value.Decode(of, candidate);
}

/** A line for each setting that another one needs. */
function missing(env: Variables): string[] {
  const lines: string[] = [];
  if (env.REDIS_URL && !env.DATABASE_URL) {
    lines.push('REDIS_URL needs DATABASE_URL to be set too: its servers share one database');
  }
  const jwks = ['AUTH_JWKS_URL', 'AUTH_ISSUER', 'AUTH_AUDIENCE'];
  const unset = jwks.filter((name) => !env[name]);
  if (unset.length > 0 && unset.length < jwks.length) {
    lines.push(`${unset.join(' and ')} must be set too: ${jwks.join(', ')} go together`);
  }
  return lines;
}

function variableOf(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function listOf(list: string): string[] {
  return list.split(',').map((item) => item.trim().toLowerCase());
}

/** A scheme, a host and perhaps a port, without a path. */
function isOrigin(origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).origin === origin;
}

/** An address with or without the number of its bits that count; undefined for anything else. */
function toCidr(text: string): Cidr | undefined {
  const [address = '', bits] = text.split('/');
  const cidr = bits === undefined ? `${text}/${isIP(address) === 4 ? 32 : 128}` : text;
  return isIP(address) > 0 && ipaddr.isValidCIDR(cidr) ? ipaddr.parseCIDR(cidr) : undefined;
}
