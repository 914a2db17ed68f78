import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon.tsx';

interface IconButtonProps {
  icon: IconName;
  /** What it does: its name, and its tooltip. */
  label: string;
  onClick: () => void;
  isPressed?: boolean;
  isDisabled?: boolean;
  class?: string;
  children?: ComponentChildren;
}

export function IconButton({
  icon,
  label,
  onClick,
  isPressed,
  isDisabled,
  ...rest
}: IconButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ''}`}
      aria-label={label}
      title={label}
      aria-pressed={isPressed}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Icon name={icon} />
      {rest.children}
    </button>
  );
}
