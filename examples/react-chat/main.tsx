/** @jsxImportSource react */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ChatProvider } from 'ws-chat-client/react';
import { Chat } from './Chat.tsx';

const username = prompt('Your name?') ?? 'somebody';

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <ChatProvider url="http://localhost:3000" username={username}>
      <Chat room="general" />
    </ChatProvider>
  </StrictMode>,
);
