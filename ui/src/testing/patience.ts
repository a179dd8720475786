import { configure } from '@testing-library/svelte';

// What a test waits for comes at once, but for a machine that is busy with other things.
configure({ asyncUtilTimeout: 10_000 });
