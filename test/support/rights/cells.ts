export type Mode = 'open' | 'required';

/** A row of the rights: the outcome for each requester. Only that for guests differs between the two modes. */
export interface Cells {
  guest: Record<Mode, string>;
  account: string;
  'another account': string;
  admin: string;
  'API key': string;
  owner: string;
  member: string;
  muted: string;
  banned: string;
  /** Of everyone whose token is not good, whatever is wrong with it. */
  bad: string;
}

/** For requests without a room, in which members and owners are accounts like any other. */
export function cells(
  open: string,
  required: string,
  account: string,
  another: string,
  admin: string,
  key: string,
  bad: string,
): Cells {
  return {
    guest: { open, required },
    account,
    'another account': another,
    admin,
    'API key': key,
    owner: another,
    member: another,
    muted: another,
    banned: another,
    bad,
  };
}

/** In a room of the owner's. */
export function inRoom(
  open: string,
  required: string,
  stranger: string,
  ruler: string,
  member: string,
  muted: string,
  banned: string,
  bad = no,
): Cells {
  return {
    guest: { open, required },
    account: stranger,
    'another account': stranger,
    admin: ruler,
    'API key': ruler,
    owner: ruler,
    member,
    muted,
    banned,
    bad,
  };
}

export const ok = 'ok';
export const no = 'unauthorized';
export const never = 'forbidden';
export const none = 'not_found';
export const everyone = cells(ok, ok, ok, ok, ok, ok, ok);
export const members = cells(ok, no, ok, ok, ok, ok, no);
export const admins = cells(no, no, never, never, ok, ok, no);
export const oneself = cells(no, no, ok, ok, ok, never, no);
export const asAna = cells(no, no, ok, never, never, ok, no);
export const asGuest = cells(ok, no, never, never, never, ok, no);
export const owners = cells(no, no, ok, ok, ok, ok, no);
/** After a join as oneself; in `AUTH=required` a guest was not let in. */
export const joined = cells(ok, 'not_joined', ok, ok, ok, ok, 'closed 4401');

/** The rooms of a scene, each of which has a row of its own. */
export const kinds = [
  ['open', 'a public room'],
  ['closed', 'a private room'],
] as const;

/** Rows for a public and for a private room. */
export const reading = {
  open: inRoom(ok, no, ok, ok, ok, ok, 'banned'),
  closed: inRoom(none, no, none, ok, ok, ok, 'banned'),
};
export const speaking = {
  open: inRoom(ok, no, ok, ok, ok, 'muted', 'banned'),
  closed: inRoom(none, no, none, ok, ok, 'muted', 'banned'),
};
export const ruling = {
  open: inRoom(no, no, never, ok, never, never, never),
  closed: inRoom(none, no, none, ok, never, never, never),
};
/** Messages of the owner: for the owner and for admins. */
export const rewriting = {
  open: inRoom(no, no, never, ok, never, 'muted', 'banned'),
  closed: inRoom(no, no, none, ok, never, 'muted', 'banned'),
};
export const unsaying = {
  open: { ...rewriting.open, muted: never },
  closed: { ...rewriting.closed, muted: never },
};
/** Only for users with a token. */
export const showing = {
  open: { ...speaking.open, guest: { open: no, required: no } },
  closed: { ...speaking.closed, guest: { open: no, required: no } },
};
export const counting = {
  open: reading.open,
  closed: inRoom(ok, no, ok, ok, ok, ok, 'banned'),
};
/** After a join of the room, which not everyone was let into. */
export const inside = {
  open: inRoom(ok, 'not_joined', ok, ok, ok, ok, 'not_joined', 'closed 4401'),
  closed: inRoom('not_joined', 'not_joined', 'not_joined', ok, ok, ok, 'not_joined', 'closed 4401'),
};
export const talking = {
  open: { ...inside.open, muted: 'muted' },
  closed: { ...inside.closed, muted: 'muted' },
};

export const correcting = {
  open: { ...talking.open, ...only('forbidden') },
  closed: { ...talking.closed, ...only('forbidden'), guest: talking.closed.guest },
};
/** For users that are let in but own nothing; a guest only where guests are let in. */
function only(refused: string) {
  const guest = { open: refused, required: 'not_joined' };
  return { guest, account: refused, 'another account': refused, member: refused };
}
export const withdrawing = {
  open: { ...correcting.open, muted: never },
  closed: { ...correcting.closed, muted: never },
};
for (const row of [correcting.closed, withdrawing.closed]) {
  row.account = 'not_joined';
  row['another account'] = 'not_joined';
}
