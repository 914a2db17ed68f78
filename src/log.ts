import { isatty } from 'node:tty';
import { styleText } from 'node:util';
import pino from 'pino';

/** Writes events to stdout, never the content of users. */
export type Logger = pino.Logger;

const COLORS = { trace: 'gray', debug: 'gray', info: 'green', warn: 'yellow' } as const;

/**
 * Makes a logger that writes JSON, or readable lines to a terminal.
 *
 * @param level the least important level that is written
 * @param fd 1 for stdout, 2 for stderr
 */
export function createLogger(level: pino.LevelWithSilent, fd: 1 | 2 = 1): Logger {
  // Lines to stderr are the last ones: an unfinished write would be lost when the process ends.
  const output = pino.destination({ dest: fd, sync: fd === 2 });
  // The reader of the log may end; the server must not end with it.
  output.on('error', () => {});
  const terminal = { write: (line: string) => output.write(readable(line)) };
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    isatty(fd) ? terminal : output,
  );
}

/** Writes at every level, `silent` included. */
export function always(log: Logger): Logger {
  return log.child({}, { level: 'info' });
}

/** `12:03:04 INFO  signed in user=7`, in local time. */
function readable(json: string): string {
  const { level, time, msg, ...fields } = JSON.parse(json);
  const label = pino.levels.labels[level] ?? '';
  const color = COLORS[label as keyof typeof COLORS] ?? 'red';
  const words = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const clock = new Date(time).toLocaleTimeString('en-GB');
  const line = `${clock} ${styleText(color, label.toUpperCase().padEnd(5))} ${msg}`;
  return words.length > 0 ? `${line} ${styleText('gray', words.join(' '))}\n` : `${line}\n`;
}
