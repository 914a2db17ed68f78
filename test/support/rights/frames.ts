import type { Scene } from '../people.ts';
import {
  asAna,
  asGuest,
  type Cells,
  cells,
  correcting,
  inside,
  joined,
  kinds,
  never,
  ok,
  reading,
  talking,
  withdrawing,
} from './cells.ts';

type FrameRow = [
  type: string,
  what: string,
  cells: Cells,
  frame: (scene: Scene) => object,
  /** The room that is joined before, when the frame does not name it. */
  joined?: (scene: Scene) => string,
];

function bothFrames(
  type: string,
  rows: Record<'open' | 'closed', Cells>,
  frame: object = {},
): FrameRow[] {
  return kinds.map(([kind, place]) => [
    type,
    `in ${place}`,
    rows[kind],
    (scene) => ({ ...frame, room: scene[kind] }),
  ]);
}

/** Changes to the messages of the owner in the room. */
function onSaid(
  type: string,
  rows: Record<'open' | 'closed', Cells>,
  frame: object = {},
): FrameRow[] {
  return kinds.map(([kind, place]) => [
    type,
    `what the owner said in ${place}`,
    rows[kind],
    (scene) => ({ ...frame, messageId: scene.said[kind] }),
    (scene) => scene[kind],
  ]);
}

/** The rights of every type of frame, which is sent after a join of its room as oneself, unless it is a join itself. */
export const frames: FrameRow[] = [
  ['join', 'as ana', asAna, ({ ana }) => ({ username: ana })],
  ['join', 'as a guest', asGuest, ({ guest }) => ({ username: guest })],
  ...bothFrames('join', reading),
  ...bothFrames('message', talking, { content: 'x' }),
  ...bothFrames('typing', talking),
  ...bothFrames('event', talking, { name: 'x' }),
  ...bothFrames('history', inside),
  ...bothFrames('read', inside, { seq: 1 }),
  ['message', 'to someone directly', joined, ({ guest }) => ({ to: guest, content: 'x' })],
  ...onSaid('edit', correcting, { content: 'x' }),
  ...onSaid('delete', withdrawing),
  ...onSaid('react', talking, { emoji: '👍' }),
  ...bothFrames('leave', inside),
  ['ping', 'ask', cells(ok, ok, ok, ok, ok, ok, 'closed 4401'), () => ({})],
  [
    'auth',
    'bring a fresh token of ana',
    cells(never, 'not_joined', ok, never, never, never, 'closed 4401'),
    ({ again }) => ({ token: again }),
  ],
];
