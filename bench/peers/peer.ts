import type { DialectName } from '../dialects/index.ts';
import type { Server } from '../support.ts';

/** Another server that can deliver chat messages. */
export interface Peer {
  name: string;
  /** Whether messages survive a restart; only ours are on the disk before they are delivered. */
  isStoring: boolean;
  /** The aimed-for ratio of our deliveries to those of the peer. */
  reach: number;
  dialect: DialectName;
  /** The path of its WebSocket endpoint. */
  path: string;
  /** The program that this machine lacks, if any. */
  missing?: string | undefined;
  version(): string;
  /** Starts the server on the core for servers, for the time of `use`. */
  serve<T>(use: (server: Server) => Promise<T>): Promise<T>;
}

/** Finds a program in the `PATH`, or in the folders of root. */
export function programOf(name: string): string | null {
  return Bun.which(name) ?? Bun.which(name, { PATH: '/usr/sbin' });
}

/** The first version in the output of a command, if it is installed. */
export function versionOf(...command: string[]): string {
  if (!Bun.which(command[0] ?? '')) return '';
  const { stdout, stderr } = Bun.spawnSync(command);
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? '';
}
