/** Gives the focus to the page's heading, for when what has it goes away. */
export function focusPage(): void {
  document.querySelector<HTMLElement>('h1')?.focus();
}
