/*
 * The part that is loaded in the background: a chat can begin without it.
 */
export * from './activity.ts';
export * from './inbox.ts';
export * from './session.ts';
