/* Preloaded by tests: opening or reading a file with a certain word in its name goes wrong.
 *   CRASHES  kills the process that decodes      HANGS  makes it wait for ever
 *   FILLS    leaves no room on the disk for it   LOCKED cannot be opened by anyone
 *   BAIT     is noted in $SHIM_LOG: nobody should have opened it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int full;

static int is_decoder(struct dl_phdr_info *about, size_t size, void *found) {
    (void)size;
    return *(int *)found = strstr(about->dlpi_name, "libavformat") != NULL;
}

/* The child that decodes, and not the one that only reads a file to tell its content. */
static int decodes(void) {
    static int known = -1;
    int found = 0;
    if (known < 0) {
        static int (*real)(const char *, int, ...);
        char line[4096] = {0};
        real = dlsym(RTLD_NEXT, "open");
        int file = real("/proc/self/cmdline", O_RDONLY);
        ssize_t length = file < 0 ? 0 : read(file, line, sizeof line - 1);
        if (file >= 0) close(file);
        known = length > 0 && memmem(line, length, "tasks.ingestion.child", 19) != NULL;
    }
    if (known) dl_iterate_phdr(is_decoder, &found);
    return found;
}

static int meet(const char *path) {
    if (strstr(path, "BAIT") && getenv("SHIM_LOG")) {
        FILE *(*fopen_)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");
        FILE *log = fopen_(getenv("SHIM_LOG"), "a");
        fprintf(log, "%s\n", path);
        fclose(log);
    }
    if (strstr(path, "LOCKED")) { errno = EACCES; return -1; }
    return 0;
}

/* The child that decodes is handed its files open: it meets them when it reads them first. */
static void meet_open(int file) {
    char link[64], path[4096] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (readlink(link, path, sizeof path - 1) <= 0 || !strstr(path, "/footage/") || !decodes()) return;
    full = strstr(path, "FILLS") != NULL;
    if (strstr(path, "CRASHES")) raise(SIGSEGV);
    if (strstr(path, "HANGS")) for (;;) pause();
}

ssize_t read(int file, void *data, size_t size) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    meet_open(file);
    return real(file, data, size);
}

#define OPENS(name)                                                          \
    int name(const char *path, int flags, ...) {                             \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);       \
        va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
        return meet(path) ? -1 : real(path, flags, mode);                    \
    }
#define OPENS_AT(name)                                                       \
    int name(int at, const char *path, int flags, ...) {                     \
        int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name);  \
        va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
        return meet(path) ? -1 : real(at, path, flags, mode);                \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

ssize_t write(int file, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    struct stat about;
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (full && size && !fstat(file, &about) && S_ISREG(about.st_mode)) { errno = ENOSPC; return -1; }
    return real(file, data, size);
}
