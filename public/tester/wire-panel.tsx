import { Admin } from './admin.tsx';
import { CutWire } from './cut-wire.tsx';
import { FrameLog } from './frame-log.tsx';
import { t } from './i18n.ts';
import { LoadLab } from './load-lab.tsx';
import { goTo, PANELS, type Panel, place } from './place.ts';
import { RawComposer } from './raw-composer.tsx';
import { SecondPerson } from './second-person.tsx';
import type { Session } from './session.ts';
import { useLive, useStore } from './store.ts';

/** Beside the chat: what travels, and what can be done to it. */
export function WirePanel({ session }: { session: Session }) {
  const { panel } = useStore(place);
  const fault = useLive(session.wire, () => session.wire.fault.kind);
  const isShown = (one: Panel) => one !== 'admin' || session.isAdmin || panel === 'admin';
  return (
    <aside class="wire" aria-label={t('wire')}>
      <div class="tabs" role="tablist" aria-label={t('wire')} onKeyDown={moveAmong}>
        {PANELS.filter(isShown).map((one) => (
          <button
            key={one}
            id={`tab-${one}`}
            type="button"
            role="tab"
            aria-selected={panel === one}
            aria-controls="wire-panel"
            tabIndex={panel === one ? 0 : -1}
            onClick={() => goTo({ panel: one })}
          >
            {t(`panel.${one}`)}
            {one === 'cut' && fault !== 'none' && <i class="alarm" title={t(`fault.${fault}`)} />}
          </button>
        ))}
      </div>
      <div
        id="wire-panel"
        class={`panel panel-${panel}`}
        role="tabpanel"
        aria-labelledby={`tab-${panel}`}
      >
        {panel === 'frames' && <FrameLog wire={session.wire} session={session} />}
        {panel === 'compose' && <RawComposer session={session} />}
        {panel === 'cut' && <CutWire session={session} />}
        {panel === 'load' && <LoadLab session={session} />}
        {panel === 'second' && <SecondPerson first={session} />}
        {panel === 'admin' && <Admin session={session} />}
      </div>
    </aside>
  );
}

function moveAmong({ key, currentTarget }: KeyboardEvent): void {
  const by = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
  if (!by || !(currentTarget instanceof HTMLElement)) return;
  const tabs = [...currentTarget.querySelectorAll<HTMLElement>('[role="tab"]')];
  const index = tabs.findIndex((tab) => tab.contains(document.activeElement));
  const next = tabs[(index + by + tabs.length) % tabs.length];
  next?.click();
  next?.focus();
}
