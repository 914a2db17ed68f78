import pino from 'pino';

/** Structured lines on stdout. They hold events, never what users wrote. */
export type Logger = pino.Logger;

/** @param level the least important level that is written */
export function createLogger(level: pino.LevelWithSilent): Logger {
  const stdout = pino.destination(1);
  // Whoever read the log may go away; that must not take the server along.
  stdout.on('error', () => {});
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stdout);
}
