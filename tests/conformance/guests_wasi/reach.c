// A guest that reaches for folders through wasi-libc and for sockets through WASI's own interfaces.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "world.h"

static char text[8192];

static void note(const char *what) {
    strncat(text, what, sizeof text - strlen(text) - 2);
    strcat(text, ",");
}

static void number(long value) {
    char shown[32];
    snprintf(shown, sizeof shown, value < 0 ? "error %d" : "%ld", value < 0 ? errno : value);
    note(shown);
}

static void content(const char *path) {
    char data[1000];
    int file = open(path, O_RDONLY);
    long count = file < 0 ? -1 : read(file, data, sizeof data - 1);
    if (count < 0) return number(-1);
    data[count] = 0;
    note(data);
    close(file);
}

static void put(const char *path, int flags, const char *data) {
    int file = open(path, O_WRONLY | flags, 0600);
    number(file < 0 ? -1 : write(file, data, strlen(data)));
    if (file >= 0) number(close(file));
}

static int by_name(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void list(const char *path) {
    char *names[100];
    int count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL) return number(-1);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) note(names[i]);
    closedir(folder);
}

static void files(void) {
    struct stat status;
    char target[100] = {0};
    number(mkdir("/data/sub", 0700));
    put("/data/sub/a.txt", O_CREAT | O_EXCL, "one\n");
    put("/data/sub/a.txt", O_APPEND, "two\n");
    number(truncate("/data/sub/a.txt", 6));
    content("/data/sub/a.txt");
    number(stat("/data/sub/a.txt", &status) < 0 ? -1 : (long)status.st_size);
    number(rename("/data/sub/a.txt", "/data/b.txt"));
    number(rmdir("/data/sub"));
    number(symlink("b.txt", "/data/here"));
    number(link("/data/b.txt", "/data/c.txt"));
    list("/data");
    content("/data/here");
    number(readlink("/data/here", target, sizeof target - 1));
    note(target);
    put("/data/b.txt", O_TRUNC, "new");
    content("/data/c.txt");
    number(unlink("/data/here"));
    number(unlink("/data/b.txt"));
    number(unlink("/data/c.txt"));
}

static void failures(void) {
    content("/data/none");
    content("/data/../outside.txt");
    content("/etc/passwd");
    content("/data/up");
    content("/data/loop");
    content("/data/plain.txt/x");
    list("/data/plain.txt");
    put("/data/plain.txt", O_CREAT | O_EXCL, "x");
    number(open("/data/up", O_RDONLY | O_NOFOLLOW));
    number(mkdir("/data/dir", 0700));
    number(rmdir("/data/dir"));
    number(rmdir("/data/plain.txt"));
    number(unlink("/data/dir"));
    number(unlink("/data/none"));
    number(readlink("/data/plain.txt", text, 0));
    number(rename("/data/none", "/data/other"));
    number(symlink("/etc/passwd", "/data/mine"));
}

static void socket_code(bool is_err, network_error_code_t code) {
    number(is_err ? code : 1000);
}

wit_string_t exports_probe_look(wit_string_t what) {
    const char *wanted = wit_c_string(what);
    if (!strcmp(wanted, "files")) files();
    if (!strcmp(wanted, "failures")) failures();
    if (!strcmp(wanted, "given")) {
        wit_list_tuple2_types_descriptor_string_t given = preopens_get_directories();
        for (size_t i = 0; i < given.len; i++) note(wit_c_string(given.ptr[i].f1));
    }
    if (!strcmp(wanted, "tcp")) {
        wit_result_tcp_tcp_socket_network_error_code_t made =
            tcp_create_socket_create_tcp_socket(NETWORK_IP_ADDRESS_FAMILY_IPV4);
        socket_code(made.is_err, made.value.err);
    }
    if (!strcmp(wanted, "udp")) {
        wit_result_udp_udp_socket_network_error_code_t made =
            udp_create_socket_create_udp_socket(NETWORK_IP_ADDRESS_FAMILY_IPV6);
        socket_code(made.is_err, made.value.err);
    }
    if (!strcmp(wanted, "resolve")) {
        network_network_t network = instance_network_instance_network();
        wit_result_ip_name_lookup_resolve_address_stream_network_error_code_t found =
            ip_name_lookup_resolve_addresses(network, wit_string("localhost"));
        socket_code(found.is_err, found.value.err);
    }
    return wit_string(text);
}
