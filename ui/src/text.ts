import { app } from './app/text';
import { activity } from './pages/activity/text';
import { conflicts } from './pages/conflicts/text';
import { drives } from './pages/drives/text';
import { folders } from './pages/folders/text';
import { help } from './pages/help/text';
import { places } from './pages/places/text';
import { problems } from './pages/problems/text';
import { rules } from './pages/rules/text';
import { settings } from './pages/settings/text';
import { why } from './pages/why/text';
import { common } from './common/text';

/** Every word of the window, but for what the engine says. Those of a page have its name; `common/text.ts` has the others. */
export const text = { ...common, app, folders, places, drives, rules, activity, problems, conflicts, why, settings, help };
