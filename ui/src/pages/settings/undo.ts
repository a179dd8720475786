import type { Chosen, FolderSetting, FolderSettings, Setting, Settings } from '../../contract';

/** What puts a setting back to what it was. Whoever was not asked yet whether to start with the desktop has said no then. */
export function undo(setting: Setting, before: Settings): Setting {
  if ('autostart' in setting) {
    return { autostart: before.autostart ?? false };
  }
  if ('notifications' in setting) {
    return { notifications: before.notifications };
  }
  if ('limit-up' in setting) {
    return { 'limit-up': before.limit_up };
  }
  if ('limit-down' in setting) {
    return { 'limit-down': before.limit_down };
  }
  if ('pause-on-battery' in setting) {
    return { 'pause-on-battery': before.pause_on_battery };
  }
  if ('pause-on-metered' in setting) {
    return { 'pause-on-metered': before.pause_on_metered };
  }
  return { look: before.look };
}

/** What is written where the window writes it; none if that is nothing. */
function here({ value, origin }: Chosen): string | null {
  return origin === 'here' ? value : null;
}

/** What puts a setting of a folder back to what it was. That there are copies to keep cannot be taken away again. */
export function undoFolder(setting: FolderSetting, before: FolderSettings): FolderSetting {
  if ('copies' in setting) {
    return { copies: Number(before.copies.value) };
  }
  if ('reserve' in setting) {
    return { reserve: here(before.reserve) };
  }
  if ('quick-git' in setting) {
    return { 'quick-git': before.quick_git.value === 'true' };
  }
  const unlocked = here(before.unlocked);
  return { unlocked: unlocked === null ? null : unlocked === 'true' };
}

/** True if that is what is written. */
export function isWritten(setting: FolderSetting, { copies, reserve, unlocked, quick_git }: FolderSettings): boolean {
  if ('copies' in setting) {
    return here(copies) === String(setting.copies);
  }
  if ('reserve' in setting) {
    return here(reserve) === setting.reserve;
  }
  if ('quick-git' in setting) {
    return quick_git.value === String(setting['quick-git']);
  }
  return here(unlocked) === (setting.unlocked === null ? null : String(setting.unlocked));
}
