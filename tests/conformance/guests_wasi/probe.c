// A guest that looks at its world through wasi-libc. What it cannot do it tells with the error's number.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "world.h"

extern char **environ;
static char text[4096];

static char *said(int result) {
    snprintf(text, sizeof text, result < 0 ? "error %d" : "%d", result < 0 ? errno : result);
    return text;
}

static char *read_file(const char *path) {
    int file = open(path, O_RDONLY);
    return file < 0 ? said(-1) : said((int)read(file, text, sizeof text));
}

static char *list(const char *path) {
    DIR *folder = opendir(path);
    if (folder == NULL) return said(-1);
    int count = 0;
    while (readdir(folder) != NULL) count++;
    return said(count);
}

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int ordered(void) {
    int64_t before = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < 100; i++) {
        int64_t now = now_ns(CLOCK_MONOTONIC);
        if (now < before) return 0;
        before = now;
    }
    return 1;
}

static int naps(void) {
    int64_t begin = now_ns(CLOCK_MONOTONIC);
    for (long ns = 0; ns <= 20000000; ns += 10000000) nanosleep(&(struct timespec){0, ns}, NULL);
    return now_ns(CLOCK_MONOTONIC) - begin >= 30000000;
}

static int different(void) {
    unsigned char one[32], other[32];
    if (getentropy(one, sizeof one) != 0 || getentropy(other, sizeof other) != 0) return -1;
    return memcmp(one, other, sizeof one) != 0;
}

static char *flood(void) {
    for (int i = 0; i < 100; i++) printf("%01000d\n", i);
    return said(fflush(stdout));
}

static char *printed(void) {
    for (int i = 0; i < 3; i++) {
        printf("grüße %d\n", i);
        fprintf(stderr, "GRÜSSE %d\n", i);
    }
    return said(fflush(stdout));
}

// What a workflow may see of time and chance, around an hour of sleep.
static char *history(void) {
    unsigned char random[8];
    int at = snprintf(text, sizeof text, "[%lld,", (long long)now_ns(CLOCK_REALTIME));
    if (nanosleep(&(struct timespec){3600, 0}, NULL) != 0 || getentropy(random, sizeof random) != 0) return said(-1);
    at += snprintf(text + at, sizeof text - at, "%lld,\"", (long long)now_ns(CLOCK_REALTIME));
    for (int i = 0; i < 8; i++) at += snprintf(text + at, sizeof text - at, "%02x", random[i]);
    snprintf(text + at, sizeof text - at, "\"]");
    return text;
}

static char *look(const char *what) {
    struct stat status;
    if (!strcmp(what, "environment")) return said(environ == NULL || *environ == NULL ? 0 : 1);
    if (!strcmp(what, "variable")) return getenv("HOME") ? getenv("HOME") : "unset";
    if (!strcmp(what, "folder")) return getcwd(text, sizeof text) ? text : said(-1);
    if (!strcmp(what, "list")) return list(".");
    if (!strcmp(what, "list-root")) return list("/");
    if (!strcmp(what, "open")) return read_file("/etc/hostname");
    if (!strcmp(what, "up")) return read_file("../../etc/hostname");
    if (!strcmp(what, "create")) return said(open("new.txt", O_CREAT | O_WRONLY, 0600));
    if (!strcmp(what, "mkdir")) return said(mkdir("new", 0700));
    if (!strcmp(what, "stat")) return said(stat("/etc", &status));
    if (!strcmp(what, "rename")) return said(rename("a", "b"));
    if (!strcmp(what, "unlink")) return said(unlink("a"));
    if (!strcmp(what, "stdin")) return said((int)read(0, text, 10));
    if (!strcmp(what, "terminal")) return said(isatty(0) + isatty(1) + isatty(2));
    if (!strcmp(what, "write")) return printed();
    if (!strcmp(what, "flood")) return flood();
    if (!strcmp(what, "closed")) return said((int)(close(1), write(1, "x", 1)));
    if (!strcmp(what, "no-file")) return said((int)write(77, "x", 1));
    if (!strcmp(what, "different")) return said(different());
    if (!strcmp(what, "ordered")) return said(ordered());
    if (!strcmp(what, "naps")) return said(naps());
    if (!strcmp(what, "history")) return history();
    if (!strcmp(what, "year")) return said(now_ns(CLOCK_REALTIME) > 1700000000000000000);
    if (!strcmp(what, "exit")) exit(0);
    if (!strcmp(what, "exit-3")) _Exit(3);
    if (!strcmp(what, "abort")) abort();
    return "no such probe";
}

wit_string_t exports_probe_look(wit_string_t what) {
    return wit_string(look(wit_c_string(what)));
}
