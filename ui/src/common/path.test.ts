import { describe, expect, it } from 'vitest';

import { below, hex, isText } from './path';

describe('a path that was typed', () => {
  it('is taken below the folder', () => {
    expect(below('/home/ann/Photos', '/home/ann/Photos/a/b.jpg')).toBe('a/b.jpg');
    expect(below('/home/ann/Photos', './a//b.jpg')).toBe('a/b.jpg');
    expect(below('/home/ann/Photos', ' a ')).toBe(' a ');
  });

  it('is refused elsewhere', () => {
    for (const path of ['', '/', '/etc/passwd', '/home/ann/Photos', '/home/ann/Photos2/a', '../a', 'a/../../b']) {
      expect(below('/home/ann/Photos', path), path).toBeUndefined();
    }
  });

  it('travels as its bytes', () => {
    expect(hex('é/a')).toBe('c3a92f61');
    expect(hex('')).toBe('');
  });
});

it('a path is text if its bytes are those of what is shown', () => {
  expect(isText({ shown: 'é/a', bytes: hex('é/a') })).toBe(true);
  expect(isText({ shown: '�', bytes: 'ff' })).toBe(false);
});
