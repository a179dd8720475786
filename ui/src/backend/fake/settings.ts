import type { FolderSetting, FolderSettings, Setting, Settings } from '../../contract';
import { folderSettings } from './samples';

/** Settings in which one is another. */
export function withSetting(settings: Settings, setting: Setting): Settings {
  if ('autostart' in setting) {
    return { ...settings, autostart: setting.autostart };
  }
  if ('notifications' in setting) {
    return { ...settings, notifications: setting.notifications };
  }
  if ('limit-up' in setting) {
    return { ...settings, limit_up: setting['limit-up'] };
  }
  if ('limit-down' in setting) {
    return { ...settings, limit_down: setting['limit-down'] };
  }
  if ('pause-on-battery' in setting) {
    return { ...settings, pause_on_battery: setting['pause-on-battery'] };
  }
  if ('pause-on-metered' in setting) {
    return { ...settings, pause_on_metered: setting['pause-on-metered'] };
  }
  return { ...settings, look: setting.look };
}

/** Settings of a folder in which one is another. */
export function withFolderSetting(settings: FolderSettings, setting: FolderSetting): FolderSettings {
  const none = folderSettings();
  if ('copies' in setting) {
    return { ...settings, copies: { value: String(setting.copies), origin: 'here' } };
  }
  if ('reserve' in setting) {
    const { reserve } = setting;
    return { ...settings, reserve: reserve === null ? none.reserve : { value: reserve, origin: 'here' } };
  }
  if ('quick-git' in setting) {
    return { ...settings, quick_git: setting['quick-git'] ? { value: 'true', origin: 'here' } : none.quick_git };
  }
  const { unlocked } = setting;
  return { ...settings, unlocked: unlocked === null ? none.unlocked : { value: String(unlocked), origin: 'here' } };
}
