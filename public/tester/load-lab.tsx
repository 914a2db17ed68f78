import { useEffect, useState } from 'preact/hooks';
import { ChatClient } from '../../client/index.ts';
import { Burst } from './burst.ts';
import { Graph } from './graph.tsx';
import { number, t } from './i18n.ts';
import { Latencies } from './latency.ts';
import { serverInfo } from './server-info.ts';
import type { Session } from './session.ts';
import { Store, useStore } from './store.ts';

/** How often figures are drawn, in milliseconds. */
const DRAW_MS = 250;

type Kind = 'websocket' | 'sse';

interface Probe {
  chat: ChatClient;
  latencies: Latencies;
  /** Milliseconds until the room was entered. */
  connectedIn: number | undefined;
}

/** The two, while they are compared; they go on when another panel is looked at. */
const probes = new Store<Record<Kind, Probe> | undefined>(undefined);
const burst = new Burst();

/** Many messages, and how long they take over WebSocket and over SSE. */
export function LoadLab({ session }: { session: Session }) {
  const both = useStore(probes);
  const room = useStore(session.room);
  const info = useStore(serverInfo);
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((n) => n + 1), DRAW_MS);
    return () => clearInterval(timer);
  }, []);
  const rate = info?.limits.messageRate ?? 0;
  const { sent, acked, failed, perSecond } = burst;
  return (
    <>
      <section class="pad">
        <h2>{t('loadTitle')}</h2>
        <p class="hint">{rate ? t('rateHint', { n: rate }) : t('loadHint')}</p>
        <p class="row">
          <button
            type="button"
            disabled={burst.isRunning}
            onClick={() => burst.start(room, { total: 100, rate: 0 })}
          >
            {t('send100')}
          </button>
          <button
            type="button"
            disabled={burst.isRunning}
            onClick={() => burst.start(room, { total: 2000, rate: 200 })}
          >
            {t('send200')}
          </button>
          <button
            type="button"
            class="quiet"
            disabled={!burst.isRunning}
            onClick={() => burst.stop()}
          >
            {t('stop')}
          </button>
        </p>
        <dl class="figures" aria-label={t('loadTitle')}>
          <Figure name={t('sent')} value={number(sent)} />
          <Figure name={t('acked')} value={number(acked)} />
          <Figure name={t('failed')} value={number(failed)} />
          <Figure name={t('perSecond')} value={number(perSecond)} />
        </dl>
      </section>
      <section class="pad">
        <h2>{t('compareTitle')}</h2>
        <p class="hint">{t('compareHint')}</p>
        <p class="row">
          <button
            type="button"
            class={both ? 'quiet' : 'primary'}
            disabled={!room.name}
            onClick={() => (both ? end() : probes.set(begin(session, room.name)))}
          >
            {both ? t('stop') : t('compare')}
          </button>
        </p>
        {both && (
          <div class="compare">
            <ProbeView name="WebSocket" probe={both.websocket} top={topOf(both)} />
            <ProbeView name="SSE" probe={both.sse} top={topOf(both)} />
          </div>
        )}
      </section>
    </>
  );
}

function ProbeView({ name, probe, top }: { name: string; probe: Probe; top: number }) {
  const { latencies, connectedIn } = probe;
  const ms = (value: number | undefined) =>
    value === undefined ? '–' : t('ms', { n: number(value, 1) });
  return (
    <section aria-label={name}>
      <h3>{name}</h3>
      <Graph values={latencies.latest} top={top} label={t('latencyOf', { name })} most={ms(top)} />
      <dl class="figures">
        <Figure name={t('connectTime')} value={ms(connectedIn)} />
        <Figure name={t('received')} value={number(latencies.received)} />
        <Figure name={t('latencyNow')} value={ms(latencies.now)} />
        <Figure name={t('average')} value={ms(latencies.average)} />
        <Figure name="p95" value={ms(latencies.percentile(0.95))} />
        <Figure name="p99" value={ms(latencies.percentile(0.99))} />
      </dl>
    </section>
  );
}

export function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function topOf({ websocket, sse }: Record<Kind, Probe>): number {
  return Math.max(10, ...websocket.latencies.latest, ...sse.latencies.latest);
}

function begin(session: Session, room: string): Record<Kind, Probe> {
  return { websocket: probe(session, room, 'websocket'), sse: probe(session, room, 'sse') };
}

function end(): void {
  for (const { chat } of Object.values(probes.value ?? {})) chat.close();
  probes.set(undefined);
}

/** A silent listener. Only what this page sent says when it was sent. */
function probe({ username, token }: Session, name: string, transport: Kind): Probe {
  const start = performance.now();
  const chat = new ChatClient('/', {
    username,
    ...(token && { token }),
    transport,
    outbox: false,
    keep: 10,
  });
  const one: Probe = { chat, latencies: new Latencies(), connectedIn: undefined };
  const room = chat.room(name, { since: '$' });
  const stop = room.subscribe(() => {
    if (room.status.state !== 'live') return;
    one.connectedIn = performance.now() - start;
    stop();
  });
  room.on('message', ({ data }) => {
    const sentAt = (data as { sentAt?: unknown } | undefined)?.sentAt;
    if (typeof sentAt === 'number') one.latencies.add(Date.now() - sentAt);
  });
  return one;
}
