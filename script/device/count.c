/* A TCG plugin: counts the instructions that the emulated program executes, of all its threads.
 *
 *   QEMU_PLUGIN=count.so,out=FILE qemu-aarch64 ...    writes their number to FILE when the program ends
 *
 * Debian ships no header for plugins, so what is used of the API, version 1, is declared here
 * (include/qemu/qemu-plugin.h of QEMU 7.2). The number is added to at the begin of each block of straight code, by code
 * that QEMU puts there: not atomically, so threads that run at the same time may lose some.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum { ADD_U64 = 0 }; /* the only operation there is */

typedef uint64_t plugin_id;
struct qemu_plugin_tb; /* a translated block */
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *number, uint64_t by);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*ended)(plugin_id, void *), void *data);

EXPORT int qemu_plugin_version = 1;

static uint64_t instructions;
static char path[4096];

static void translated(plugin_id id, struct qemu_plugin_tb *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions, qemu_plugin_tb_n_insns(block));
}

static void ended(plugin_id id, void *data) {
  (void)id, (void)data;
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    perror(path);
    return;
  }
  fprintf(file, "%" PRIu64 "\n", instructions);
  fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
  (void)info;
  if (count != 1 || strncmp(arguments[0], "out=", 4) != 0 || strlen(arguments[0] + 4) >= sizeof path) {
    fprintf(stderr, "count.so: wants one argument, out=FILE\n");
    return 1;
  }
  strcpy(path, arguments[0] + 4);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, ended, NULL);
  return 0;
}
