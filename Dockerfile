# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.8 && python -m venv /venv
COPY requirements.txt .
RUN uv pip sync --no-cache --require-hashes --python /venv/bin/python requirements.txt

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    VAR_DIR=/var/lib/shopwright
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin shop \
 && install -d -o shop -g shop /var/lib/shopwright
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# The files of the admin and of the API's documentation, under names that may be cached for ever. The values only
# let the settings load: nothing is connected to and none of them stays in the image.
RUN SECRET_KEY=only-while-the-image-is-built-0123456789-0123456789-abcdef ALLOWED_HOSTS=localhost \
    SHOP_URL=https://localhost DEFAULT_FROM_EMAIL=build@localhost \
    FIELD_ENCRYPTION_KEYS=build:bm90LWEta2V5LW9ubHktd2hpbGUtYnVpbGRpbmctMDE= \
    DATABASE_URL=postgresql://build@localhost/build REDIS_URL=redis://localhost/0 \
    python manage.py collectstatic --noinput --verbosity 0
USER shop
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["python", "-m", "config.processes", "web", "--host", "0.0.0.0", "--port", "8000"]
