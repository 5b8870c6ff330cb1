# One image for every process of the product; what runs is the command. Needs nothing but the npm registry to build.

# The pages are built with packages that the product itself does not need.
FROM node:24-slim AS pages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run pages

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY . .
COPY --from=pages /app/clients/explorer/dist clients/explorer/dist
COPY --from=pages /app/clients/status/dist clients/status/dist
COPY --from=pages /app/clients/web/dist clients/web/dist
USER node
CMD ["node", "--max-semi-space-size=32", "gateway/main.ts"]
