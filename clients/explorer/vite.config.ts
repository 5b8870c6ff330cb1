import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/graphiql/',
  plugins: [react()],
  // The editor is large, and comes from the machine next to the browser.
  build: {
    chunkSizeWarningLimit: 10_000,
    rolldownOptions: {
      onLog: (level, log, report) => {
        // GraphiQL's files have directives for a compiler that they went through already.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
});
