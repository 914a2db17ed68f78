import type { ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import { Basic } from './basic.ts';
import { Checks } from './checks.ts';
import type { Client, Person } from './client.ts';
import { SimulatedDatabase } from './database.ts';
import { Faults } from './faults.ts';
import { Library, loadLibrary } from './library.ts';
import { Postgres } from './postgres.ts';
import { SimulatedRedis } from './redis.ts';
import { Resuming } from './resuming.ts';
import { RULED_MS, Schedules } from './schedules.ts';
import { Server } from './server.ts';
import type { Line } from './sockets.ts';
import { Truth } from './truth.ts';
import { allRooms, LOUNGE, Workload } from './workload.ts';
import { World } from './world.ts';

/** How long a time with faults lasts, and the quiet time after it, in milliseconds. */
const BUSY_MS = 75_000;
const QUIET_MS = 40_000;
/** When someone goes, before the end of the faults. */
const GOING_MS = 8000;
/** When everything is in sync again, after the faults. */
const IN_SYNC_MS = 15_000;
/** When the questions of a quiet time are asked, before its end. */
const PROBE_MS = 5000;

const people: Person[] = [
  { name: 'ana', isAccount: true },
  { name: 'ben', isAccount: true },
  { name: 'cleo', isAccount: true },
  { name: 'dan', isAccount: false },
  { name: 'eve', isAccount: false },
];

export interface Result {
  seed: number;
  /** Simulated milliseconds. */
  time: number;
  /** Of the whole story: the same for the same seed. */
  hash: string;
  lines: number;
  faults: Map<string, number>;
  world: World;
}

/**
 * Runs three servers with their Redis, their database and their clients, until a promise is broken or the time
 * is over.
 *
 * @param ms simulated milliseconds
 */
export async function simulate(seed: number, ms: number): Promise<Result> {
  const world = new World(seed);
  await loadLibrary();
  const { randomUUID } = crypto;
  // The library's ids, too, come from the one source of chance.
  crypto.randomUUID = () => world.uuid() as ReturnType<typeof randomUUID>;
  const postgres = await Postgres.open(world);
  const names = people.map(({ name }) => name);
  const truth = new Truth(world, postgres, names, allRooms);
  const database = new SimulatedDatabase(world, postgres, (text) => truth.look(text));
  const redis = new SimulatedRedis(world);
  const servers: Server[] = [];
  const clients: Client[] = [];
  const byEnd = (line: Line) => clients.find((client) => client.line === line);
  const onSent = (server: Server, line: Line, text: string) => {
    const client = byEnd(line);
    const [, room] =
      /^\{"type":"(?:message|update|typing|changes|event)".*?"room":"([^"]+)"/.exec(text) ?? [];
    if (!client || !room || room.startsWith('dm:')) return;
    if (truth.mayHear(client.person.name, room, server.calmSince)) return;
    client.accuse(`is sent what it may not hear any more: ${text.slice(0, 200)}`);
  };
  const onAnswer = (client: Client, { type }: ServerFrame, asked: ClientFrame, at: number) => {
    const isEntering = asked.type === 'join' && type === 'joined';
    if (!isEntering && !(asked.type === 'typing' && type === 'ack')) return;
    const user = `${client.person.name} ${asked.room}`;
    const calmSince = Math.max(...servers.map((server) => server.calmSince));
    if (truth.mayUse(isEntering ? 'read' : 'write', user, at, calmSince)) return;
    client.accuse(`may do what it may not any more: ${JSON.stringify(asked)}`);
  };
  for (const name of ['s1', 's2', 's3']) {
    servers.push(new Server({ world, database, redis, onSent }, name));
  }
  for (const [n, person] of [...people, ...people].entries()) {
    const name = `c${n + 1}`;
    // Of one person the second device is of another kind.
    if (n === 4 || n === 9) {
      clients.push(new Basic(world, name, person, servers, n === 4 ? 'general' : 'tea'));
      continue;
    }
    const client = new Resuming(world, name, person, servers);
    client.isBatching = n % 3 === 1;
    for (const room of allRooms) client.want(room, n % 2 === 0);
    clients.push(client);
  }
  for (const client of clients) {
    client.onAnswer = (frame, asked, at) => onAnswer(client, frame, asked, at);
  }
  const libraries: Library[] = [];
  const workload = new Workload({ world, servers, clients, libraries });
  const faults = new Faults({ world, servers, redis, database });
  const checks = new Checks({ world, servers, clients, libraries, truth });
  const schedules = new Schedules({ world, servers, clients, workload, faults, database });
  const isOver = () => world.story.breach !== undefined;
  const onRejection = (error: unknown) => {
    world.story.accuse(`an unhandled rejection: ${(error as Error).stack ?? error}`);
  };
  process.on('unhandledRejection', onRejection);

  for (const server of servers) {
    void server.start();
    await world.run(world.between(0, 2000));
  }
  await world.run(1000);
  for (const client of clients) client.connect();
  for (const [n, username] of ['lea', 'leo'].entries()) {
    libraries.push(new Library(world, `c2${n}`, username, LOUNGE, servers));
  }
  let nextFault = () => {};
  const plan = () => {
    nextFault = world.after(world.between(500, 20_000), () => {
      faults.begin();
      plan();
    });
  };
  while (world.time < ms && !isOver()) {
    faults.rooms = await truth.revs();
    workload.start();
    plan();
    await world.run(BUSY_MS - GOING_MS, isOver);
    // Someone goes while things fail, and must not be seen any more.
    const absent = world.pick(people);
    for (const client of clients) {
      if (client.person === absent) client.leaveFor(GOING_MS + QUIET_MS + 1000);
    }
    // The last fault is repaired by nothing that comes after it.
    world.after(world.between(0, GOING_MS), () => faults.beginOfBus());
    await world.run(GOING_MS, isOver);
    workload.stop();
    nextFault();
    faults.end();
    world.story.tell('check', 'everything is whole from now on');
    for (const client of clients) {
      if (client.isAway && client.person !== absent) client.comeBack();
    }
    // All servers hear each other again, so no later look at the database hides a fault of now.
    await world.run(IN_SYNC_MS - 1000, isOver);
    if (isOver()) break;
    await checks.views();
    schedules.claim();
    const isUnheard = schedules.rule();
    await world.run(RULED_MS - 1000, isOver);
    checks.probe();
    await world.run(1000, isOver);
    if (isOver()) break;
    // Before the last changes, which may have the rights read again.
    await checks.rights();
    // It would have the rights read again.
    if (!isUnheard) schedules.loseLastChanges();
    await world.run(QUIET_MS - IN_SYNC_MS - RULED_MS - PROBE_MS, isOver);
    if (isOver()) break;
    checks.probe();
    await world.run(PROBE_MS, isOver);
    if (isOver()) break;
    await checks.run();
    await workload.pardon();
    await world.run(2000, isOver);
  }
  for (const { chat } of libraries) chat.close();
  for (const server of servers) server.process.kill();
  crypto.randomUUID = randomUUID;
  await postgres.close();
  process.off('unhandledRejection', onRejection);
  const { story, time } = world;
  return { seed, time, hash: story.hash, lines: story.count, faults: faults.counts, world };
}
