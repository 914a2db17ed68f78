// Figures of the server for dashboard.html, every second, as events.
//   API_KEY=secret bun start
//   API_KEY=secret node examples/dashboard.mjs
const { API_KEY, CHAT_URL = 'http://localhost:3000' } = process.env;
const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };

setInterval(async () => {
  const metrics = await (await fetch(`${CHAT_URL}/metrics`, { headers })).text();
  const figure = (/** @type {string} */ name) =>
    Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)?.[1]);
  const data = {
    connections: figure('ws_chat_connections'),
    people: figure('ws_chat_people'),
    changes: figure('ws_chat_changes_total'),
    'memory (MB)': Math.round(figure('process_resident_memory_bytes') / 1e6),
  };
  const body = JSON.stringify({ name: 'figures', data });
  await fetch(`${CHAT_URL}/rooms/dashboard/events`, { method: 'POST', headers, body });
}, 1000);
