import type { DialectName } from '../dialects/index.ts';
import type { Server } from '../support.ts';

/** Another server that can pass for a chat. */
export interface Peer {
  name: string;
  /** Whether messages outlive it; they are on the disk before anyone sees them with us alone. */
  isStoring: boolean;
  /** How many times its deliveries ours are to be. */
  reach: number;
  dialect: DialectName;
  /** Where on the server its WebSockets are. */
  path: string;
  /** What this machine lacks, if anything. */
  missing?: string | undefined;
  version(): string;
  /** Serves, on the core for servers, for the time of `use`. */
  serve<T>(use: (server: Server) => Promise<T>): Promise<T>;
}

/** A program in the path, or where root has it. */
export function programOf(name: string): string | null {
  return Bun.which(name) ?? Bun.which(name, { PATH: '/usr/sbin' });
}

/** The first version that a command names, if it is there. */
export function versionOf(...command: string[]): string {
  if (!Bun.which(command[0] ?? '')) return '';
  const { stdout, stderr } = Bun.spawnSync(command);
  return /\d+(\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? '';
}
