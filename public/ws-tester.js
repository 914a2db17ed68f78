// @ts-check
/**
 * The tester page: a raw WebSocket client that speaks protocol 0 and shows what it sees. With a password
 * it signs in over REST before, and joins with the token.
 */

/**
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is missing`);
  return found;
}

const connectForm = element('connect', HTMLFormElement);
const connectButton = element('connect-button', HTMLButtonElement);
const username = element('username', HTMLInputElement);
const room = element('room', HTMLInputElement);
const password = element('password', HTMLInputElement);
const registerButton = element('register-button', HTMLButtonElement);
const status = element('status', HTMLParagraphElement);
const messages = element('messages', HTMLOListElement);
const sendForm = element('send', HTMLFormElement);
const sendButton = element('send-button', HTMLButtonElement);
const content = element('content', HTMLTextAreaElement);
const people = element('people', HTMLUListElement);
const peopleCount = element('people-count', HTMLSpanElement);
const frames = element('frames', HTMLOListElement);

const MAX_SHOWN = 500;

/** @type {WebSocket | undefined} */
let socket;
/** Of the account that is signed in, if one is. @type {string | undefined} */
let token;
/** How the server spells our name, once it has welcomed us. */
let ownName = '';

/** @typedef {{ type: string, username?: string, content?: string, timestamp?: string }} Frame */

/** @param {'closed' | 'connecting' | 'open' | 'failed'} state @param {string} text */
function show(state, text) {
  status.dataset.state = state;
  status.textContent = text;
  connectForm.dataset.state = state;
  const isOpen = state === 'open';
  for (const control of [content, sendButton]) control.disabled = !isOpen;
  for (const control of [username, room, password, registerButton]) {
    control.disabled = isOpen || state === 'connecting';
  }
  connectButton.textContent = isOpen || state === 'connecting' ? 'Disconnect' : 'Connect';
}

/** Adds an item at the end of a list and keeps the end in view when it was. @param {HTMLElement} list @param {HTMLElement} item */
function append(list, item) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  list.append(item);
  if (list.childElementCount > MAX_SHOWN) list.firstElementChild?.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** @param {string} tag @param {string} text @param {string} [className] */
function make(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

/** @param {'in' | 'out'} direction @param {string} text */
function showFrame(direction, text) {
  append(frames, make('li', text, direction));
}

/** @param {Frame} frame */
function showMessage(frame) {
  const item = make('li', '', frame.username === ownName ? 'message own' : 'message');
  const header = document.createElement('header');
  const time = make('time', new Date(frame.timestamp ?? '').toLocaleTimeString());
  time.setAttribute('datetime', frame.timestamp ?? '');
  header.append(make('strong', frame.username ?? ''), time);
  item.append(header, make('p', frame.content ?? ''));
  append(messages, item);
}

let refreshing = false;
let refreshAgain = false;

/** Asks who is here, one request at a time, however fast people come and go. */
async function refreshPeople() {
  refreshAgain = true;
  if (refreshing) return;
  refreshing = true;
  while (refreshAgain) {
    refreshAgain = false;
    try {
      const query = new URLSearchParams({ room: room.value || 'general' });
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(`/users/active?${query}`, { headers });
      // Refused, for asking too often say, it may still be as it was.
      if (!response.ok) continue;
      /** @type {string[]} */
      const names = await response.json();
      people.replaceChildren(...names.map((name) => make('li', name)));
      peopleCount.textContent = String(names.length);
    } catch {
      // The status line already tells that the server is away.
    }
  }
  refreshing = false;
}

/** @param {string} text */
function receive(text) {
  showFrame('in', text);
  /** @type {Frame} */
  const frame = JSON.parse(text);
  if (frame.type === 'message') {
    showMessage(frame);
  } else if (frame.type === 'system') {
    const welcome = /^Welcome (.+)!$/.exec(frame.content ?? '');
    if (welcome?.[1] && !ownName) {
      ownName = welcome[1];
      show('open', `Connected as ${ownName}`);
      content.focus();
    }
    append(messages, make('li', frame.content ?? '', 'system'));
    refreshPeople();
  } else if (frame.type === 'error') {
    append(messages, make('li', frame.content ?? '', 'failure'));
    if (!ownName) socket?.close();
  }
}

/** Shows a token only in part: whoever has it is the user. @param {object} frame */
function send(frame) {
  showFrame(
    'out',
    JSON.stringify(frame, (key, value) => (key === 'token' ? `${value.slice(0, 8)}…` : value)),
  );
  socket?.send(JSON.stringify(frame));
}

/**
 * Posts the name and the password, and shows what was wrong if they are refused.
 *
 * @param {string} path
 * @returns {Promise<{ token?: string } | undefined>}
 */
async function postAccount(path) {
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: username.value, password: password.value }),
    });
    const reply = await response.json();
    if (response.ok) return reply;
    append(messages, make('li', reply.detail, 'failure'));
  } catch {
    append(messages, make('li', 'The server does not answer.', 'failure'));
  }
  show('failed', 'Not connected');
}

/** @param {boolean} isNew whether the account is still to be made */
async function signInAndConnect(isNew) {
  messages.replaceChildren();
  token = undefined;
  show('connecting', 'Signing in…');
  if (isNew && !(await postAccount('/users'))) return;
  const session = await postAccount('/sessions');
  if (!session) return;
  token = session.token;
  connect();
}

function connect() {
  ownName = '';
  messages.replaceChildren();
  show('connecting', 'Connecting…');
  const opened = new WebSocket(
    `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`,
  );
  socket = opened;
  opened.onopen = () => {
    const shown = token === undefined ? {} : { token };
    send({ type: 'join', username: username.value, room: room.value || 'general', ...shown });
  };
  opened.onmessage = ({ data }) => receive(data);
  opened.onclose = ({ code, reason }) => {
    if (socket !== opened) return;
    socket = undefined;
    const wanted = code === 1000 || code === 1005;
    const why = reason || (code === 1006 ? 'the connection was lost' : `closed with ${code}`);
    show(wanted ? 'closed' : 'failed', wanted ? 'Not connected' : `Not connected: ${why}`);
    refreshPeople();
  };
}

connectForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (socket) {
    if (socket.readyState === WebSocket.OPEN && ownName) send({ type: 'leave' });
    socket.close();
  } else if (password.value || event.submitter === registerButton) {
    signInAndConnect(event.submitter === registerButton);
  } else {
    token = undefined;
    connect();
  }
});

sendForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (!socket || !content.value.trim()) return;
  send({ type: 'message', content: content.value });
  content.value = '';
  content.focus();
});

content.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    sendForm.requestSubmit();
  }
});

refreshPeople();
