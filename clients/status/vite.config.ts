import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/status/',
  build: { modulePreload: { polyfill: false } },
});
