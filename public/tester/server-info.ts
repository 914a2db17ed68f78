import type { Schema } from '@cfworker/json-schema';
import { Store } from './store.ts';

/** As much of `/ws-info` as the page uses. */
export interface ServerInfo {
  websocketUrl: string;
  messageFormats: Record<string, Record<string, unknown>>;
  schemas: Record<string, Schema>;
  limits: { maxContentLength: number; messageRate: number; messageBurst: number };
}

/** What the server says of itself, once it has. */
export const serverInfo = new Store<ServerInfo | undefined>(undefined);

async function load(): Promise<void> {
  const response = await fetch('/ws-info');
  if (response.ok) serverInfo.set(await response.json());
}

// The page goes on without; the composer of frames says that it has no templates.
load().catch(() => {});
