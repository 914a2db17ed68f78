import { ChatError } from '../../client/index.ts';

export interface Metric {
  name: string;
  value: number;
}

/**
 * The figures of the server, in Prometheus' text format.
 *
 * @param token of an admin
 * @throws {ChatError} when they are not for this user
 */
export async function readMetrics(token: string | undefined): Promise<Metric[]> {
  const headers = { ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch('/metrics', { headers });
  if (!response.ok) throw new ChatError('forbidden', `/metrics: ${response.status}`);
  const lines = (await response.text()).split('\n').filter((line) => line && !line.startsWith('#'));
  return lines.map((line) => {
    const end = line.lastIndexOf(' ');
    return { name: line.slice(0, end), value: Number(line.slice(end + 1)) };
  });
}
