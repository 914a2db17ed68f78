import { memo } from 'preact/compat';

const PARTS = /```(?:\w*\n)?([\s\S]+?)```|`([^`\n]+)`|(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}])/g;

/** Links are links and code is code; nothing else of what people write is interpreted. */
export const Text = memo(function Text({ text }: { text: string }) {
  const parts: preact.ComponentChild[] = [];
  let end = 0;
  for (const match of text.matchAll(PARTS)) {
    const [whole, block, code, url = ''] = match;
    if (match.index > end) parts.push(text.slice(end, match.index));
    end = match.index + whole.length;
    if (block !== undefined) parts.push(<pre>{block.replace(/\n$/, '')}</pre>);
    else if (code !== undefined) parts.push(<code>{code}</code>);
    else {
      parts.push(
        <a href={url} target="_blank" rel="noopener noreferrer nofollow">
          {url}
        </a>,
      );
    }
  }
  if (end < text.length) parts.push(text.slice(end));
  return <>{parts}</>;
});
