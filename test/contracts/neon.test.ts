import { afterAll } from 'bun:test';
import { openDatabase } from '../../src/db/index.ts';
import { relayNeon } from '../support/neon-relay.ts';
import { freshPostgres, hasPostgres, testWithPostgres } from '../support/services.ts';
import { databaseContract } from './database.contract.ts';

const relay = hasPostgres ? relayNeon(await freshPostgres()) : undefined;
afterAll(() => relay?.stop());

databaseContract(
  'Neon’s driver',
  () => openDatabase({ databaseUrl: relay?.url ?? '', dataDir: '' }),
  testWithPostgres,
);
