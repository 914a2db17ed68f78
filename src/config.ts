import { FormatRegistry, type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

FormatRegistry.Set(
  'postgres-url',
  (value) => /^postgres(ql)?:\/\/[^/]/.test(value) && URL.canParse(value),
);

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
  MAX_CONTENT_LENGTH: Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 4000,
    description: 'a whole number of characters, 1 to 60000',
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

/** The settings, checked. Durations are in seconds, lengths in characters. */
export interface Settings {
  port: number;
  host: string;
  /** Unset: the embedded database in `dataDir`. */
  databaseUrl?: string;
  /** A folder, or `memory` for a database that is gone when the server stops. */
  dataDir: string;
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
export function readSettings(env: Record<string, string | undefined>): Settings {
  const given = Object.entries(env).filter(
    ([name, value]) => name in Environment.properties && value,
  );
  const candidate = Value.Default(
    Environment,
    Object.fromEntries(
      given.map(([name, value]) => {
        const isNumber = /number|integer/.test(
          Environment.properties[name as keyof Environment].type,
        );
        return [name, isNumber && !Number.isNaN(Number(value)) ? Number(value) : value];
      }),
    ),
  );
  const wrong = new Set([...Value.Errors(Environment, candidate)].map(({ path }) => path.slice(1)));
  if (wrong.size > 0) {
    throw new SettingsError(
      [...wrong]
        .map((name) => {
          const { description } = Environment.properties[name as keyof Environment];
          // The value of DATABASE_URL may hold a password, so it is not repeated.
          const found = name === 'DATABASE_URL' ? '' : `, not ${JSON.stringify(env[name])}`;
          return `${name} must be ${description}${found}`;
        })
        .join('; '),
    );
  }
  const checked = candidate as Environment;
  return {
    port: checked.PORT,
    host: checked.HOST,
    ...(checked.DATABASE_URL && { databaseUrl: checked.DATABASE_URL }),
    dataDir: checked.DATA_DIR,
    maxContentLength: checked.MAX_CONTENT_LENGTH,
    presenceGrace: checked.PRESENCE_GRACE,
    compression: checked.COMPRESSION === 'on',
    logLevel: checked.LOG_LEVEL,
  };
}
