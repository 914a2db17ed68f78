import { createApp } from './app.ts';
import { readSettings } from './config.ts';
import { openDatabase } from './db/index.ts';
import { createLogger } from './log.ts';

/** What a clean stop may take before the process gives up on it, in milliseconds. */
const STOP_TIMEOUT_MS = 4500;

try {
  const settings = readSettings(process.env);
  const log = createLogger(settings.logLevel);
  const database = await openDatabase(settings);
  const { listen, stop } = await createApp({ settings, database, log });
  console.log(`ws-chat is ready on ${listen()}`);

  let stopping = false;
  const shutDown = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => exitWith('the server did not stop in time'), STOP_TIMEOUT_MS);
    log.info({ signal }, 'stopping');
    try {
      await stop();
      await database.close();
    } catch (error) {
      exitWith((error as Error).message);
    }
    process.exit(0);
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);
} catch (error) {
  exitWith((error as Error).message);
}

function exitWith(message: string): never {
  console.error(`ws-chat cannot go on: ${message}`);
  process.exit(1);
}
