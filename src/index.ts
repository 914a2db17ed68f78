import { createApp } from './app.ts';
import { readSettings } from './config.ts';
import { willCreate } from './db/embedded.ts';
import { openDatabase } from './db/index.ts';
import { checkPort } from './http/port.ts';
import { systemClock } from './lib/clock.ts';
import { rootMessage } from './lib/root-cause.ts';
import { always, createLogger } from './log.ts';

/** How long a clean stop may take before the process exits without it, in milliseconds. */
const STOP_TIMEOUT_MS = 4500;

/** Before the server has started, a signal ends the process at once. */
let stop = async () => {};
let isStopping = false;
const shutDown = async () => {
  // Ctrl+C reaches the process twice: from the terminal, and from `bun start`.
  if (isStopping) return;
  isStopping = true;
  void systemClock.sleep(STOP_TIMEOUT_MS).then(() => exitWith('Failed to stop in time'));
  await stop().catch((error) => exitWith(`Failed to stop: ${rootMessage(error)}`));
  process.exit(0);
};
process.on('SIGTERM', shutDown);
process.on('SIGINT', shutDown);
process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);

try {
  const settings = readSettings(process.env);
  const log = createLogger(settings.logLevel);
  await checkPort(settings);
  if (willCreate(settings)) log.info('creating the embedded database, which takes a few seconds');
  const database = await openDatabase(settings);
  database.failure?.then(({ message }) => exitWith(message));
  if (database.isPooled) {
    log.info('a transaction pooler is in front of the database: statements are not prepared');
  }
  const app = await createApp({ settings, database, log });
  const address = app.listen();
  stop = async () => {
    log.info('stopping');
    await app.stop();
    await database.close();
  };
  const seconds = process.uptime().toFixed(1);
  always(log).info(`ws-chat is ready on ${address} after ${seconds} s`);
} catch (error) {
  const faults = rootMessage(error).split('\n');
  exitWith(...faults.map((fault) => `Failed to start: ${fault}`));
}

/** Prints one line for each fault, at every `LOG_LEVEL`. */
function exitWith(...faults: string[]): never {
  const log = createLogger('fatal', 2);
  for (const fault of faults) log.fatal(fault);
  process.exit(1);
}

/** Ends the process after a fault of the program. The log gets the stack, without values. */
function crash(error: unknown): never {
  const { stack, message } = error instanceof Error ? error : new Error(String(error));
  const stackBelow = stack?.split(message).at(-1)?.trim();
  createLogger('fatal', 2).fatal({ stack: stackBelow }, `Internal error: ${rootMessage(error)}`);
  process.exit(1);
}
